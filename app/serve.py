"""`vertebra-stress serve`: broker, worker and gateway on this machine, as supervised child processes."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from app.broker import EmbeddedBroker, free_port
from app.jobs.row_maintenance import release_all
from app.jobs.settings import QUEUE_NAME, Settings, SettingsError
from app.jobs.store import open_store
from app.supervisor import Child, Supervisor

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[1]


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Run everything until SIGTERM or SIGINT.

    Parameters
    ----------
    settings
        Unset broker, database and storage are embedded under ``data_dir``. Port 0 chooses a free one.
    announce
        Called with the service's URL once it answers.
    """
    settings.check_bind()
    with _locked(settings.data_dir):
        port = settings.port or free_port(settings.host)
        embedded = EmbeddedBroker.prepare(settings.data_dir / "broker") if settings.broker_url is None else None
        environment = _environment(settings, port, embedded)
        if embedded is not None and settings.database_url is None:
            _release_left_over(settings)
        supervisor = Supervisor(_children(settings, port, embedded, environment))
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, supervisor.end)
        url = f"http://{_reachable(settings.host)}:{port}"
        supervisor.run(lambda: is_ready(url), lambda: announce(url))


def gateway_command(settings: Settings, port: int) -> list[str]:
    """Return the command line of a gateway."""
    return [
        sys.executable, "-m", "uvicorn", "--factory", "app.application:create_app",
        "--host", settings.host, "--port", str(port), "--log-level", settings.log_level.lower(),
        "--no-access-log", "--timeout-graceful-shutdown", "5", "--no-server-header",
    ]  # fmt: skip


def worker_command(settings: Settings) -> list[str]:
    """Return the command line of a worker (by name: the gateway's code never imports the workers')."""
    return [
        sys.executable, "-m", "celery", "-A", "workers.celery_app", "worker", "--queues", QUEUE_NAME,
        "--pool", "prefork", "--concurrency", str(settings.worker_concurrency), "--loglevel", settings.log_level,
        "--without-gossip", "--without-mingle",
    ]  # fmt: skip


def is_ready(url: str) -> bool:
    """Return whether the service at a URL can take and run jobs."""
    try:
        return httpx.get(f"{url}/health/ready", timeout=5.0).status_code == 200
    except httpx.HTTPError:
        return False


def _children(
    settings: Settings, port: int, embedded: EmbeddedBroker | None, environment: dict[str, str]
) -> list[Child]:
    worker = Child("worker", worker_command(settings), environment)
    gateway = Child("gateway", gateway_command(settings, port), environment)
    if embedded is None:
        return [worker, gateway]
    worker.wait_for = gateway.wait_for = embedded.answers
    return [Child("broker", embedded.command, environment, orphan_signal=signal.SIGTERM), worker, gateway]


def _environment(settings: Settings, port: int, embedded: EmbeddedBroker | None) -> dict[str, str]:
    """Return the children's environment: this process's, with what was decided here made explicit."""
    environment = dict(os.environ)
    environment["VERTEBRA_DATA_DIR"] = str(settings.data_dir.resolve())
    environment["VERTEBRA_HOST"] = settings.host
    environment["VERTEBRA_PORT"] = str(port)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    if embedded is not None:
        environment["VERTEBRA_BROKER_URL"] = embedded.url
    return environment


def _release_left_over(settings: Settings) -> None:
    """Let jobs that the last run left unfinished start at once: no worker of it can be alive."""
    store = open_store(settings)
    released = release_all(store)
    store.engine.dispose()
    if released:
        log.info("%d unfinished jobs of the last run will start again", released)


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """Refuse to share a data folder with another `serve`."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "serve.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(
                f"Another `vertebra-stress serve` uses {data_dir}. Stop it, or set VERTEBRA_DATA_DIR to another folder."
            ) from error
        yield


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", ""):
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host

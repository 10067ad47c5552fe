"""`vertebra-stress serve`: broker, worker and gateway as supervised child processes on this machine."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.broker import EmbeddedBroker
from app.gateway_processes import gateways, shared_metrics
from app.jobs.blobs import BlobStore
from app.jobs.database import upgrade_database
from app.jobs.private_files import close_to_others, make_private_folder
from app.jobs.row_maintenance import release_all
from app.jobs.settings import QUEUE_NAME, Settings, SettingsError
from app.jobs.store import open_store
from app.jobs.sweeper import Sweeper
from app.listeners import listen
from app.local_key_maker import prepare
from app.start_up import StartError, progress
from app.supervisor import Child, Supervisor, python_path

log = logging.getLogger(__name__)

MOST_DEATHS = 5
"""A process that dies so often before the service was ready will not get ready; with its pauses this takes a minute."""


def serve(settings: Settings, announce: Callable[[str], None], tell: Callable[[str], None]) -> None:
    """Run the whole service until SIGTERM or SIGINT.

    Parameters
    ----------
    settings
        If broker, database or storage is not set, the service embeds it under ``data_dir``. Port 0 means a free port.
    announce
        Called with the URL of the service when it is ready.
    tell
        Called with each step of the start, in words.

    Raises
    ------
    SettingsError
        A setting is unsafe, another `serve` uses the data folder, or another program uses the port.
    WrongDatabaseVersion
        The database is newer than this software.
    ChildKeepsDying
        Everything is embedded, so there is nothing to wait for, and a process has died `MOST_DEATHS` times.
    """
    with (
        _lock(settings.data_dir),
        _scratch(settings.data_dir) as scratch,
        listen(settings.host, settings.port, settings.gateway_processes) as listeners,
    ):
        port = listeners[0].getsockname()[1]
        embedded = EmbeddedBroker.prepare(settings.data_dir / "broker") if settings.broker_url is None else None
        environment = _environment(settings, port, embedded) | {"TMPDIR": str(scratch)}
        upgrade_database(settings.database)
        if embedded is not None and settings.database_url is None:
            _release_unfinished(settings)
        url = f"http://{_reachable_host(settings.host)}:{port}"
        prepare(settings, url)
        is_alone = embedded is not None and settings.database_url is None and settings.storage_url is None
        with shared_metrics(environment, len(listeners)) as shared:
            children = _children(settings, gateways(listeners, shared), embedded, environment)
            supervisor = Supervisor(children, MOST_DEATHS if is_alone else None)
            for signum in (signal.SIGTERM, signal.SIGINT):
                signal.signal(signum, supervisor.end)
            threading.Thread(target=_watch_start, args=(url, supervisor, announce, tell), daemon=True).start()
            supervisor.run()


def _watch_start(
    url: str, supervisor: Supervisor, announce: Callable[[str], None], tell: Callable[[str], None]
) -> None:
    """Tell each step of the start, and announce the service when it is ready. A stuck start is logged, not ended."""
    while not supervisor.is_ready.is_set():
        try:
            for state in progress(url):
                if not state.is_ready:
                    tell(state.text)
            supervisor.is_ready.set()
            announce(url)
        except StartError as error:
            log.error("the start is stuck. %s", error)


def worker_command(settings: Settings) -> list[str]:
    """Return the command line of a worker. It names the workers' module, which the gateway must not import."""
    return [
        sys.executable, "-m", "celery", "--quiet", "-A", "workers.celery_app", "worker", "--queues", QUEUE_NAME,
        "--pool", "prefork", "--concurrency", str(settings.worker_concurrency), "--loglevel", settings.log_level,
        "--without-gossip", "--without-mingle",
    ]  # fmt: skip


def _children(
    settings: Settings, gateways: list[Child], embedded: EmbeddedBroker | None, environment: dict[str, str]
) -> list[Child]:
    worker = Child("worker", worker_command(settings), environment)
    if embedded is None:
        return [worker, *gateways]
    for child in (worker, *gateways):
        child.wait_for = embedded.answers
    return [Child("broker", embedded.command, environment, orphan_signal=signal.SIGTERM), worker, *gateways]


def _environment(settings: Settings, port: int, embedded: EmbeddedBroker | None) -> dict[str, str]:
    """Return the environment of the child processes: that of this process, with the settings that `serve` chose."""
    environment = dict(os.environ)
    environment["VERTEBRA_DATA_DIR"] = str(settings.data_dir.resolve())
    environment["VERTEBRA_HOST"] = settings.host
    environment["VERTEBRA_PORT"] = str(port)
    environment["PYTHONPATH"] = python_path()
    if embedded is not None:
        environment["VERTEBRA_BROKER_URL"] = embedded.url
    return environment


def _release_unfinished(settings: Settings) -> None:
    """Queue the jobs that the last run left unfinished, and remove its unfinished uploads: nothing of it is alive."""
    store = open_store(settings)
    released = release_all(store)
    if settings.storage_url is None:
        at_any_age = settings.model_copy(update={"orphan_after_s": 0.0})
        Sweeper(at_any_age, store, BlobStore(settings.storage)).sweep_storage()
    store.engine.dispose()
    if released:
        log.info("%d unfinished jobs of the last run will start again", released)


@contextmanager
def _lock(data_dir: Path) -> Iterator[None]:
    """Hold the lock of a data folder. Raise `SettingsError` if another `serve` holds it."""
    make_private_folder(data_dir)
    close_to_others(data_dir)
    with (data_dir / "serve.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise SettingsError(
                f"Another `vertebra-stress serve` (process {lock.read() or 'unknown'}) uses {data_dir}. Stop it, or "
                "set VERTEBRA_DATA_DIR to another folder."
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def _scratch(data_dir: Path) -> Iterator[Path]:
    """Yield the folder of the child processes' temporary files. Empty it before and after, whoever was killed."""
    folder = data_dir.resolve() / "scratch"
    shutil.rmtree(folder, ignore_errors=True)
    make_private_folder(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _reachable_host(host: str) -> str:
    """Return the host part of a URL that reaches a server bound to an address."""
    if host in ("0.0.0.0", ""):
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host

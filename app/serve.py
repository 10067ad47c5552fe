"""`vertebra-stress serve`: broker, worker and gateway as supervised child processes on this machine."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app import local_key
from app.broker import EmbeddedBroker
from app.jobs.database import upgrade_database
from app.jobs.private_files import close_to_others, make_private_folder
from app.jobs.row_maintenance import release_all
from app.jobs.settings import QUEUE_NAME, Settings, SettingsError
from app.jobs.store import open_store
from app.start_up import StartError, progress
from app.supervisor import Child, Supervisor

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[1]
"""Folder that holds the packages ``app`` and ``workers``."""

BACKLOG = 2048
"""Connections that wait while the gateway starts; the default of uvicorn."""

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
        listen(settings.host, settings.port) as listener,
    ):
        port = listener.getsockname()[1]
        embedded = EmbeddedBroker.prepare(settings.data_dir / "broker") if settings.broker_url is None else None
        environment = _environment(settings, port, embedded) | {"TMPDIR": str(scratch)}
        upgrade_database(settings.database)
        if embedded is not None and settings.database_url is None:
            _release_unfinished(settings)
        url = f"http://{_reachable_host(settings.host)}:{port}"
        local_key.prepare(settings, url)
        is_alone = embedded is not None and settings.database_url is None and settings.storage_url is None
        children = _children(settings, listener, embedded, environment)
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


def gateway_command(*options: str) -> list[str]:
    """Return the command line of a gateway; see `app.gateway` for the options."""
    return [sys.executable, "-m", "app.gateway", *options]


def worker_command(settings: Settings) -> list[str]:
    """Return the command line of a worker. It names the workers' module, which the gateway must not import."""
    return [
        sys.executable, "-m", "celery", "--quiet", "-A", "workers.celery_app", "worker", "--queues", QUEUE_NAME,
        "--pool", "prefork", "--concurrency", str(settings.worker_concurrency), "--loglevel", settings.log_level,
        "--without-gossip", "--without-mingle",
    ]  # fmt: skip


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a port; 0 means a free one.

    The gateway inherits the socket. So the port is this service's own before anything starts, nobody else can answer
    there while the gateway starts again, and an occupied port is known at once.

    Raises
    ------
    SettingsError
        The address is not one of this machine, or another program uses the port.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or "0.0.0.0", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"The gateway cannot listen on {host}, port {port} ({error.strerror}). Stop the program that uses the "
            "port, or set VERTEBRA_PORT to another one (0 means a free one) and VERTEBRA_HOST to an address of this "
            "machine."
        ) from error
    # uvicorn takes an inherited socket for a local one and leaves Nagle's algorithm on; connections inherit this option
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _children(
    settings: Settings, listener: socket.socket, embedded: EmbeddedBroker | None, environment: dict[str, str]
) -> list[Child]:
    worker = Child("worker", worker_command(settings), environment)
    command = gateway_command("--fd", str(listener.fileno()))
    gateway = Child("gateway", command, environment, inherited=(listener.fileno(),))
    if embedded is None:
        return [worker, gateway]
    worker.wait_for = gateway.wait_for = embedded.answers
    return [Child("broker", embedded.command, environment, orphan_signal=signal.SIGTERM), worker, gateway]


def _environment(settings: Settings, port: int, embedded: EmbeddedBroker | None) -> dict[str, str]:
    """Return the environment of the child processes: that of this process, with the settings that `serve` chose."""
    environment = dict(os.environ)
    environment["VERTEBRA_DATA_DIR"] = str(settings.data_dir.resolve())
    environment["VERTEBRA_HOST"] = settings.host
    environment["VERTEBRA_PORT"] = str(port)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    if embedded is not None:
        environment["VERTEBRA_BROKER_URL"] = embedded.url
    return environment


def _release_unfinished(settings: Settings) -> None:
    """Queue the jobs that the last run left unfinished; none of its workers can be alive."""
    store = open_store(settings)
    released = release_all(store)
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

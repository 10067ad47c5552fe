"""A service of real processes: Valkey, a gateway and two workers, each started again when it dies; SQLite, a folder.

Only the pipeline's numerics are replaced (`tests.workers.fake_worker`).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

import app.supervisor
from app.broker import EmbeddedBroker, free_port
from app.jobs.settings import QUEUE_NAME, Settings
from app.supervisor import Child
from tests.app.harness import PATIENCE_S, environment, wait_for

WORKERS = 2
WATCH_S = 0.1
"""Pause between two looks at the processes."""


@dataclass(frozen=True)
class Stack:
    """The processes, and the folder that the storage's link names."""

    settings: Settings
    broker: Child
    gateway: Child
    workers: list[Child]
    link: Path
    folder: Path

    @property
    def url(self) -> str:
        """Address of the gateway."""
        return f"http://127.0.0.1:{self.settings.port}"

    def is_ready(self) -> bool:
        """Return whether the gateway is ready."""
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=60).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def running_stack(data: Path) -> Iterator[Stack]:
    """Start the processes, yield when they are ready, and keep them running."""
    healthy_after_s, app.supervisor.HEALTHY_AFTER_S = app.supervisor.HEALTHY_AFTER_S, 0.0
    # so a process that a fault kills starts again after a second, every time
    stack = _stack(data)
    done = threading.Event()
    children = [stack.broker, stack.gateway, *stack.workers]

    def watch() -> None:
        while not done.wait(WATCH_S):
            for child in children:
                child.watch()
        for child in reversed(children):
            child.stop()

    thread = threading.Thread(target=watch)  # the processes are this thread's, and end with it
    thread.start()
    try:
        wait_for(stack.is_ready, "the service", PATIENCE_S)
        yield stack
    finally:
        done.set()
        thread.join()
        app.supervisor.HEALTHY_AFTER_S = healthy_after_s


def _stack(data: Path) -> Stack:
    folder, link, scratch = data / "files", data / "storage", data / "scratch"
    folder.mkdir(parents=True)
    scratch.mkdir()
    link.symlink_to(folder)
    embedded = EmbeddedBroker.prepare(data / "broker")
    settings = Settings(
        data_dir=data, broker_url=embedded.url, storage_url=str(link), allow_anonymous=True, port=free_port("127.0.0.1")
    )
    variables = environment(settings) | {"TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"}

    def logged(name: str, command: list[str]) -> Child:
        return Child(
            name, ["bash", "-c", 'exec "${@:2}" >>"$1" 2>&1', "-", str(data / f"{name}.log"), *command], variables
        )

    celery = [sys.executable, "-m", "celery", "--quiet", "-A", "tests.workers.fake_worker", "worker"]
    celery += ["--queues", QUEUE_NAME, "--concurrency", "1", "--without-gossip", "--without-mingle", "--loglevel"]
    names = [f"worker-{number}" for number in range(1, WORKERS + 1)]
    workers = [logged(name, [*celery, "INFO", "--hostname", f"{name}@%h"]) for name in names]
    gateway = logged("gateway", [sys.executable, "-m", "app.gateway"])
    return Stack(settings, logged("broker", embedded.command), gateway, workers, link, folder)

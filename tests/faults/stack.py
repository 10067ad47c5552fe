"""A service of real processes, each started again when it dies. Only the pipeline's numerics are replaced
(`tests.workers.fake_worker`).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

import app.supervisor
from app.jobs.settings import QUEUE_NAME
from app.supervisor import Child
from tests.app.harness import PATIENCE_S, wait_for

FAKE_WORKER, REAL_WORKER = "tests.workers.fake_worker", "workers.celery_app"

WATCH_S = 0.1
"""Pause between two looks at the processes."""


@dataclass(frozen=True)
class Stack:
    """The processes of a service.

    Parameters
    ----------
    logs
        Folder with a file for each process.
    urls
        Addresses of the gateways.
    broker_url
        Address of the queue, for who does harm to it.
    """

    logs: Path
    urls: list[str]
    broker_url: str
    broker: Child
    gateways: list[Child]
    workers: list[Child]

    def is_ready(self) -> bool:
        """Return whether every gateway is ready."""
        return all(is_ready(url) for url in self.urls)


def is_ready(url: str) -> bool:
    """Return whether a gateway is ready."""
    try:
        return httpx.get(f"{url}/health/ready", timeout=60).status_code == 200
    except httpx.TransportError:
        return False


def logged(name: str, command: list[str], variables: Mapping[str, str], logs: Path) -> Child:
    """Return a process whose output goes to a file of its name."""
    shell = 'exec "${@:2}" >>"$1" 2>&1'
    return Child(name, ["bash", "-c", shell, "-", str(logs / f"{name}.log"), *command], variables)


def worker(name: str, variables: Mapping[str, str], logs: Path, program: str = FAKE_WORKER) -> Child:
    """Return a worker."""
    command = [sys.executable, "-m", "celery", "--quiet", "-A", program, "worker"]
    command += ["--queues", QUEUE_NAME, "--concurrency", "1", "--without-gossip", "--without-mingle"]
    return logged(name, [*command, "--loglevel", "INFO", "--hostname", f"{name}@%h"], variables, logs)


def gateway(name: str, variables: Mapping[str, str], logs: Path) -> Child:
    """Return a gateway."""
    return logged(name, [sys.executable, "-m", "app.gateway"], variables, logs)


@contextmanager
def kept_running(children: list[Child]) -> Iterator[None]:
    """Start the processes, and start them again when they die, a second later every time."""
    healthy_after_s, app.supervisor.HEALTHY_AFTER_S = app.supervisor.HEALTHY_AFTER_S, 0.0
    done = threading.Event()

    def watch() -> None:
        while not done.wait(WATCH_S):
            for child in children:
                child.watch()
        for child in reversed(children):
            child.stop()

    thread = threading.Thread(target=watch)  # the processes are this thread's, and end with it
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        app.supervisor.HEALTHY_AFTER_S = healthy_after_s


@contextmanager
def ready(stack: Stack, *others: Child) -> Iterator[None]:
    """Keep a stack and other processes running, from when it is ready."""
    with kept_running([*others, stack.broker, *stack.gateways, *stack.workers]):
        wait_for(stack.is_ready, "the service", PATIENCE_S)
        yield

"""A service on one machine: Valkey, a gateway and two workers; SQLite, and a folder that can be made to refuse."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.broker import EmbeddedBroker, free_port
from app.jobs.settings import Settings
from tests.app.harness import environment
from tests.faults.stack import FAKE_WORKER, Stack, gateway, logged, ready, worker

WORKERS = 2


@dataclass(frozen=True)
class OneMachine(Stack):
    """The processes, and the folder of the files, to which the storage's link leads."""

    link: Path
    folder: Path

    def point_storage_at(self, target: Path) -> None:
        """Let the storage's link lead elsewhere; to a file, so that every read and write fails."""
        new = self.link.with_name("storage-new")
        new.symlink_to(target)
        os.replace(new, self.link)


@contextmanager
def running_on_one_machine(data: Path, workers: int = WORKERS, program: str = FAKE_WORKER) -> Iterator[OneMachine]:
    """Start the processes, yield when they are ready, and keep them running. ``program`` is that of the workers."""
    folder, link, scratch = data / "files", data / "storage", data / "scratch"
    folder.mkdir(parents=True)
    scratch.mkdir()
    link.symlink_to(folder)
    embedded = EmbeddedBroker.prepare(data / "broker")
    port = free_port("127.0.0.1")
    settings = Settings(data_dir=data, broker_url=embedded.url, storage_url=str(link), allow_anonymous=True, port=port)
    variables = environment(settings) | {"TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"}
    stack = OneMachine(
        logs=data,
        urls=[f"http://127.0.0.1:{port}"],
        broker_url=embedded.url,
        broker=logged("broker", embedded.command, os.environ, data),
        gateways=[gateway("gateway", variables, data)],
        workers=[worker(f"worker-{number}", variables, data, program) for number in range(1, workers + 1)],
        link=link,
        folder=folder,
    )
    with ready(stack):
        yield stack

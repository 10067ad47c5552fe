"""By how much a process grows while a block runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

EVERY_S = 0.005
"""Time between two looks at the process: short beside the copies that a job makes."""


@dataclass
class Growth:
    """Largest resident memory above that at the start, MB."""

    mb: float = 0.0


@contextmanager
def watch_growth(process: psutil.Process) -> Iterator[Growth]:
    """Watch `process` while the block runs; the figure is final when the block ends."""
    growth, before, done = Growth(), process.memory_info().rss, threading.Event()

    def watch() -> None:
        while not done.wait(EVERY_S):
            growth.mb = max(growth.mb, (process.memory_info().rss - before) / 1e6)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield growth
    finally:
        done.set()
        thread.join()

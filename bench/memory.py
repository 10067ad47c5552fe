"""By how much a process grows while something runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

EVERY_S = 0.005


@dataclass
class Growth:
    """Largest resident memory above that at the start, MB."""

    mb: float = 0.0


@contextmanager
def growth(process: psutil.Process) -> Iterator[Growth]:
    """Watch `process` meanwhile; the figure stands when the block ends."""
    told, before, done = Growth(), process.memory_info().rss, threading.Event()

    def watch() -> None:
        while not done.wait(EVERY_S):
            told.mb = max(told.mb, (process.memory_info().rss - before) / 1e6)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield told
    finally:
        done.set()
        thread.join()

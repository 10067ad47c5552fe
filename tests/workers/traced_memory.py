"""The most memory that Python and numpy hold at once while a block runs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Traced:
    """The highest sum of allocations since the block began, bytes; known when the block has ended."""

    peak: int = 0


@contextmanager
def traced_memory() -> Iterator[Traced]:
    """Trace the allocations of a block."""
    traced = Traced()
    tracemalloc.start()
    try:
        yield traced
    finally:
        traced.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

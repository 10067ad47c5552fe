"""A pool process reports what it does to the database, for ``/metrics`` of the gateways. No report can fail a job."""

from __future__ import annotations

import logging
import resource
import sys
from collections.abc import Callable, Mapping

from sqlalchemy.exc import SQLAlchemyError

from app.jobs import worker_figures
from app.jobs.store import JobStore

log = logging.getLogger(__name__)

RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024
"""Unit of ``ru_maxrss``: bytes on macOS, KiB on Linux (getrusage(2))."""


def note_claim(store: JobStore, worker: str) -> None:
    """Report that this process begins a job."""
    _try(lambda: worker_figures.note_claim(store, worker))


def peak_memory_bytes() -> int:
    """Return the largest resident memory of this process so far; the list of workers has it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT_BYTES


def note_stages(store: JobStore, timings: Mapping[str, float]) -> None:
    """Report the times of the stages of a job that succeeded, seconds."""
    _try(lambda: worker_figures.note_stages(store, timings))


def _try(report: Callable[[], None]) -> None:
    try:
        report()
    except SQLAlchemyError as error:
        log.warning("cannot report a measurement: %s", type(error).__name__)

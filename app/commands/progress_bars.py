"""Bars on stderr, where that is a terminal: what is sent, how far a job is, what is fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from app.contract.job import Job


@contextmanager
def bytes_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a callback of bytes that have travelled and bytes in all."""
    with tqdm(unit="B", unit_scale=True, desc=what, disable=None, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


@contextmanager
def job_bar() -> Iterator[Callable[[Job], None]]:
    """Yield a callback of a job's progress."""
    with tqdm(total=100.0, bar_format="{desc:<28} {bar:30} {percentage:3.0f} % {elapsed}", disable=None) as bar:

        def show(job: Job) -> None:
            bar.set_description_str(stage_of(job), refresh=False)
            bar.n = job.percent
            bar.refresh()

        yield show


def stage_of(job: Job) -> str:
    """Return what a job does now, in a few words."""
    if job.state == "queued" and job.queue_place is not None:
        return f"queued, place {job.queue_place}"
    if job.state != "running":
        return job.state
    again = f" (attempt {job.attempt})" if job.attempt > 1 else ""
    level = f"{job.level}: " if job.level else ""
    return f"{level}{job.stage or 'starting'}{again}"

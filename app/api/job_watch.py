"""Waits for jobs to change, for many clients at a time and without a thread for each.

A wait looks at the job's row through `RowReader`, which reads the rows of all waits with one query: twice a second, and
more often where the job is about to end. The number of waits is bounded, for one tenant and in all.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from app.api.outlook_reader import OutlookReader
from app.api.row_reader import RowReader
from app.contract.errors import StorageUnavailable, TooManyWaits
from app.jobs.outlook import Outlook
from app.jobs.rows import OPEN_STATES, JobRow

LOOK_EVERY_S, LOOK_SOON_S = 0.5, 0.05
"""Seconds between two looks at a job, and at one that is nearly done. With the first alone a client hears of the
results a quarter of a second late on average, a tenth of a short job."""
NEARLY_DONE_PERCENT = 85.0
"""Of a job: its files are being written or published, which takes about a second."""
MOST_WAITS, MOST_WAITS_A_TENANT = 400, 200
"""Waits that one gateway process holds; a connection each, of the 1,000 that it accepts."""

VERSION_DIGITS = 16


@dataclass(frozen=True)
class Seen:
    """A job at one moment: its row, and what it has before it."""

    row: JobRow
    outlook: Outlook


class JobWatch:
    """Waits for changes of jobs; only for the event loop of one gateway."""

    def __init__(self, reader: RowReader, outlooks: OutlookReader) -> None:
        self._reader = reader
        self._outlooks = outlooks
        self._held: Counter[str] = Counter()

    @property
    def waits(self) -> int:
        """Number of waits now."""
        return self._held.total()

    @contextmanager
    def hold(self, tenant: str) -> Iterator[None]:
        """Count a wait. Raise `TooManyWaits` if there are too many."""
        if self.waits >= MOST_WAITS or self._held[tenant] >= MOST_WAITS_A_TENANT:
            raise TooManyWaits(
                "Too many clients wait for jobs here. Poll the job instead, about once a second.",
                expected=f"at most {MOST_WAITS_A_TENANT} waits of a tenant and {MOST_WAITS} of all",
                got="more",
            )
        self._held[tenant] += 1
        try:
            yield
        finally:
            self._held[tenant] -= 1

    async def changes(self, tenant: str, job_id: str, seen: str | None, idle_s: float) -> AsyncIterator[Seen | None]:
        """Yield the job each time that it has changed, and ``None`` after ``idle_s`` without a change.

        It ends after a row that will not change again, and when the job is gone. A database that does not answer for a
        while is no change.

        Parameters
        ----------
        tenant, job_id
            The job.
        seen
            Version of the row that the client has; see `version`.
        idle_s
            Seconds.
        """
        last, pause_s = time.monotonic(), LOOK_EVERY_S
        while True:
            with suppress(StorageUnavailable):
                row = await self._reader.get(tenant, job_id)
                if row is None:
                    return
                pause_s = pause_after(row)
                outlook = await self._outlooks.of(row)
                if version(row, outlook.place) != seen:
                    seen, last = version(row, outlook.place), time.monotonic()
                    yield Seen(row, outlook)
                if has_ended(row):
                    return
            if time.monotonic() - last >= idle_s:
                last = time.monotonic()
                yield None
            await asyncio.sleep(pause_s)

    async def ended(self, tenant: str, row: JobRow, within_s: float) -> JobRow:
        """Return the job's row when the job has ended, or as it is after ``within_s`` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                async for changed in self.changes(tenant, row.id, version(row), within_s):
                    row = changed.row if changed else row
        return row


def has_ended(row: JobRow) -> bool:
    """Return whether a job will not change again."""
    return row.state not in OPEN_STATES


def pause_after(row: JobRow) -> float:
    """Return how long not to look at a job again, seconds."""
    return LOOK_SOON_S if row.percent >= NEARLY_DONE_PERCENT else LOOK_EVERY_S


def version(row: JobRow, place: int | None = None) -> str:
    """Return what tells a client whether it has seen this state of a job, and its place in the queue."""
    parts = (place, row.state, row.token, row.attempt, row.stage, row.level, round(row.percent, 1), row.finished_at)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:VERSION_DIGITS]

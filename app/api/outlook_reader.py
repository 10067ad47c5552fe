"""Tells many requests what open jobs have before them, with one look at the queue a second."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from app.api.row_reader import RowReader
from app.contract.errors import StorageUnavailable
from app.jobs.outlook import UNKNOWN, Outlook, QueueLook
from app.jobs.rows import OPEN_STATES, JobRow
from app.jobs.typical_times import Done

LOOK_EVERY_S = 1.0
"""How old a look at the queue may be; a job that came after it gets a new one."""

RECENT_EVERY_S = 30.0
"""How old the times of recent jobs may be."""


class OutlookReader:
    """Reads the outlook of open jobs; only for the event loop of one gateway.

    Parameters
    ----------
    reader
        Reads the rows, in threads of its own.
    seen_within_s
        A worker counts as alive while its last report is at most this old.
    """

    def __init__(self, reader: RowReader, seen_within_s: float) -> None:
        self._reader = reader
        self._seen_within_s = seen_within_s
        self._recent: list[Done] = []
        self._recent_until = 0.0
        self._look = QueueLook()
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def of(self, row: JobRow) -> Outlook:
        """Return what a job has before it; nothing of one that has ended, or while the database does not answer."""
        if row.state not in OPEN_STATES:
            return UNKNOWN
        async with self._lock:
            if time.monotonic() >= self._until or row.created_at > self._look.at:
                await self._look_again()
        found = self._look.outlooks.get(row.id, UNKNOWN)
        return found if (found.place is None) == (row.state == "running") else UNKNOWN  # the look may be older

    async def _look_again(self) -> None:
        self._look = QueueLook(math.inf)  # after a failure no job asks again before its time
        with suppress(StorageUnavailable, SQLAlchemyError):
            if time.monotonic() >= self._recent_until:
                self._recent = await self._reader.recent()
                self._recent_until = time.monotonic() + RECENT_EVERY_S
            self._look = await self._reader.look_at_queue(self._recent, self._seen_within_s)
        self._until = time.monotonic() + LOOK_EVERY_S

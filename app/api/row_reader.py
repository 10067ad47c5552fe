"""Reads job rows for many requests with one query.

Clients poll, so most requests ask for one row. The requests that arrive while a query runs share the next one: under
load fifty polls cost one query and one change of thread, not fifty. A database that hangs holds up to `THREADS`
threads of this reader and none of those that serve other requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from app.contract.errors import StorageUnavailable
from app.jobs.changes import Changes, changed_jobs
from app.jobs.outlook import QueueLook, look_at_queue, read_recent
from app.jobs.rows import JobRow
from app.jobs.store import JobStore
from app.jobs.typical_times import Done

THREADS = 4
LONGEST_QUERY = 200
"""Most rows that one query asks for."""

BUDGET_S = 5.0
"""Longest time that the requests of one query wait for the database, seconds."""

Answer = TypeVar("Answer")
Key = tuple[str, str]
"""Tenant and id of a job."""


class RowReader:
    """Reads the rows of jobs; only for the event loop of one gateway."""

    def __init__(self, store: JobStore, budget_s: float = BUDGET_S) -> None:
        self._store = store
        self._budget_s = budget_s
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="row-reader")
        self._waiting: dict[Key, asyncio.Future[JobRow | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, tenant: str, job_id: str) -> JobRow | None:
        """Return a tenant's job. Return ``None`` if it is absent, deleted or another tenant's.

        Raises
        ------
        StorageUnavailable
            The database did not answer within the budget.
        """
        key = (tenant, job_id)
        if key not in self._waiting:
            self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._read_waiting())
        return await asyncio.shield(self._waiting[key])  # one request that ends does not end the others' wait

    async def changed(self, tenant: str, since: float | None) -> Changes:
        """Return what `app.jobs.changes.changed_jobs` returns. Raise `StorageUnavailable` as `get` does."""
        return await self._call(partial(changed_jobs, self._store, tenant, since))

    async def recent(self) -> list[Done]:
        """Return what `app.jobs.outlook.read_recent` returns. Raise `StorageUnavailable` as `get` does."""
        return await self._call(partial(read_recent, self._store))

    async def look_at_queue(self, recent: list[Done], seen_within_s: float) -> QueueLook:
        """Return what `app.jobs.outlook.look_at_queue` returns. Raise `StorageUnavailable` as `get` does."""
        return await self._call(partial(look_at_queue, self._store, recent, seen_within_s))

    def close(self) -> None:
        """End the threads; one that hangs ends with its call."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _read_waiting(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[:LONGEST_QUERY]
                futures = [self._waiting.pop(key) for key in keys]
                try:
                    rows = await self._read(keys)
                except Exception as error:
                    for future in futures:
                        future.set_exception(error)
                        future.exception()  # the request may have ended; then nobody else looks at the error
                else:
                    for key, future in zip(keys, futures, strict=True):
                        future.set_result(rows.get(key))
        finally:
            self._task = None

    async def _read(self, keys: list[Key]) -> dict[Key, JobRow]:
        return await self._call(partial(self._store.get_many, keys))

    async def _call(self, read: Callable[[], Answer]) -> Answer:
        """Return what a call of the store returns, which runs in a thread of this reader."""
        try:
            async with asyncio.timeout(self._budget_s):
                return await asyncio.get_running_loop().run_in_executor(self._threads, read)
        except TimeoutError as error:
            raise StorageUnavailable(
                "The job database does not answer. Try again later.", expected=f"an answer within {self._budget_s:g} s"
            ) from error

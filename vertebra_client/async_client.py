"""The client of the service for asynchronous programs (asyncio and trio)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self, TypeVar

import anyio
import httpx

from app.contract.job import Job
from app.contract.report import Report
from app.contract.result_list import Result
from app.contract.summary import Summary
from vertebra_client import downloads, job_rules, waiting
from vertebra_client.calls import Answer, Call, Pause, Progress, Steps
from vertebra_client.connection import Connection, Options, advance, answer_of, begin
from vertebra_client.errors import ServiceUnreachableError
from vertebra_client.job_rules import PAGE, Changes, Filter
from vertebra_client.submission import Submission

T = TypeVar("T")


class AsyncClient(Connection):
    """As `vertebra_client.Client`, with the same methods to be awaited.

    Files are read and written in pieces of at most a few hundred kB between two awaits.
    """

    def __init__(self, url: str, key: str | None = None, options: Options | None = None) -> None:
        super().__init__(url, key, options or Options())
        self._http = httpx.AsyncClient(**self.client_arguments)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def submit(
        self, submission: Submission, *, idempotency_key: str | None = None, progress: Progress | None = None
    ) -> Job:
        """See `Client.submit`."""
        return await self._run(job_rules.submit(submission, idempotency_key, progress, self.options.retries))

    async def job(self, job_id: str) -> Job:
        """See `Client.job`."""
        return await self._run(job_rules.look(job_id, self.options.retries))

    async def jobs(self, which: Filter | None = None) -> AsyncIterator[Job]:
        """See `Client.jobs`."""
        cursor: str | None = None
        while True:
            page = await self._run(job_rules.page(which or Filter(), cursor, PAGE, self.options.retries))
            for job in page.jobs:
                yield job
            if (cursor := page.next_cursor) is None:
                return

    async def wait(
        self, job_id: str, *, timeout_s: float | None = None, progress: Callable[[Job], object] | None = None
    ) -> Job:
        """See `Client.wait`."""
        return await self._run(waiting.wait(job_id, timeout_s, progress, self.options.retries))

    async def results(self, job_id: str) -> list[Result]:
        """See `Client.results`."""
        return await self._run(downloads.results(job_id, self.options.retries))

    async def report(self, job_id: str, level: str | None = None) -> Report:
        """See `Client.report`."""
        return await self._run(downloads.report(job_id, level, self.options.retries))

    async def summary(self, job_id: str) -> Summary:
        """See `Client.summary`."""
        return await self._run(downloads.summary(job_id, self.options.retries))

    async def download(self, job_id: str, name: str, folder: Path, *, progress: Progress | None = None) -> Path:
        """See `Client.download`."""
        return await self._run(downloads.download_one(job_id, name, folder, progress, self.options.retries))

    async def download_all(self, job_id: str, folder: Path, *, progress: Progress | None = None) -> dict[str, Path]:
        """See `Client.download_all`."""
        return await self._run(downloads.download_all(job_id, folder, progress, self.options.retries))

    async def cancel(self, job_id: str) -> Job:
        """See `Client.cancel`."""
        return await self._run(job_rules.cancel(job_id, self.options.retries))

    async def retry(self, job_id: str, changes: Changes | None = None, *, idempotency_key: str | None = None) -> Job:
        """See `Client.retry`."""
        return await self._run(job_rules.retry(job_id, changes or Changes(), idempotency_key, self.options.retries))

    async def delete(self, job_id: str) -> None:
        """See `Client.delete`."""
        await self._run(job_rules.delete(job_id, self.options.retries))

    async def _run(self, steps: Steps[T]) -> T:
        """Carry a rule out to its end."""
        outcome: Answer | ServiceUnreachableError | None = None
        try:
            while True:
                step = advance(steps, outcome)
                if isinstance(step, Pause):
                    await anyio.sleep(step.seconds)
                    outcome = None
                else:
                    outcome = await self._send(step)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            steps.close()

    async def _send(self, call: Call) -> Answer | ServiceUnreachableError:
        try:
            with ExitStack() as files:
                async with self._http.stream(**self.request_arguments(call, files)) as response:
                    if not begin(call, response):
                        return answer_of(response, await response.aread())
                    assert call.receiver is not None
                    async for data in response.aiter_bytes():
                        if call.receiver.feed(data):
                            break
                    return answer_of(response, b"")
        except httpx.RequestError as error:
            return self.unreachable(error)

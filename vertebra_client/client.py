"""The client of the service with blocking calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self, TypeVar

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


class Client(Connection):
    """A connection to one service. Several threads may use it at a time.

    Every method may raise the errors of `app.contract.errors` that the service reports, such as `JobNotFound` or
    `Unauthorized`, and `vertebra_client.ClientError`.

    Parameters
    ----------
    url
        URL of the service, with the path prefix under which a proxy publishes it.
    key
        API key, or a token of the identity provider.
    options
        Time-outs and retries.
    """

    def __init__(self, url: str, key: str | None = None, options: Options | None = None) -> None:
        super().__init__(url, key, options or Options())
        self._http = httpx.Client(**self.client_arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(
        self, submission: Submission, *, idempotency_key: str | None = None, progress: Progress | None = None
    ) -> Job:
        """Upload the files and return the job, which then runs by itself.

        The files are streamed. A connection that breaks makes no second job: the upload is sent again with the same
        idempotency key. Give a key of your own to make a submission safe across programs.

        Parameters
        ----------
        submission
            The files and parameters.
        idempotency_key
            Text that is unique to this submission; by default a random one for each call.
        progress
            Called with the bytes sent and the bytes in all.
        """
        return self._run(job_rules.submit(submission, idempotency_key, progress, self.options.retries))

    def job(self, job_id: str) -> Job:
        """Return a job as it is now."""
        return self._run(job_rules.look(job_id, self.options.retries))

    def jobs(self, which: Filter | None = None) -> Iterator[Job]:
        """Yield your jobs, newest first; the next page is fetched when it is needed."""
        cursor: str | None = None
        while True:
            page = self._run(job_rules.page(which or Filter(), cursor, PAGE, self.options.retries))
            yield from page.jobs
            if (cursor := page.next_cursor) is None:
                return

    def wait(
        self, job_id: str, *, timeout_s: float | None = None, progress: Callable[[Job], object] | None = None
    ) -> Job:
        """Return the job when it has succeeded.

        Parameters
        ----------
        job_id
            The job.
        timeout_s
            Longest time to wait, seconds; by default until the job ends.
        progress
            Called with the job whenever its state, stage or progress has changed.

        Raises
        ------
        JobFailedError, JobCancelledError
            The job ended in another way; ``error`` of the first says why.
        WaitTimeoutError
            It has not ended in time. It goes on.
        """
        return self._run(waiting.wait(job_id, timeout_s, progress, self.options.retries))

    def results(self, job_id: str) -> list[Result]:
        """Return the list of files that a job has published; of a failed job, pictures that explain why."""
        return self._run(downloads.results(job_id, self.options.retries))

    def report(self, job_id: str, level: str | None = None) -> Report:
        """Return the report of a job; of one with several levels, that of a level."""
        return self._run(downloads.report(job_id, level, self.options.retries))

    def summary(self, job_id: str) -> Summary:
        """Return the summary of a job with several levels."""
        return self._run(downloads.summary(job_id, self.options.retries))

    def download(self, job_id: str, name: str, folder: Path, *, progress: Progress | None = None) -> Path:
        """Save one result in a folder and return its path.

        A download that broke off goes on where it was, also in a later call. The file appears when its SHA-256 is that
        which the service lists.

        Raises
        ------
        DamagedResultError
            It is not, also after a second download.
        AlreadyDownloadingError
            Another program or thread downloads it to the same place.
        UnexpectedAnswerError
            The server lists names that could leave the folder, or no SHA-256.
        """
        return self._run(downloads.download_one(job_id, name, folder, progress, self.options.retries))

    def download_all(self, job_id: str, folder: Path, *, progress: Progress | None = None) -> dict[str, Path]:
        """Save every result in a folder, those of a level in a folder of its own there; return name to path.

        What is there whole is not fetched again.
        """
        return self._run(downloads.download_all(job_id, folder, progress, self.options.retries))

    def cancel(self, job_id: str) -> Job:
        """Stop a job that has not ended; it stays visible."""
        return self._run(job_rules.cancel(job_id, self.options.retries))

    def retry(self, job_id: str, changes: Changes | None = None, *, idempotency_key: str | None = None) -> Job:
        """Run the stored files of a job that has ended again, with changes, and return the new job."""
        return self._run(job_rules.retry(job_id, changes or Changes(), idempotency_key, self.options.retries))

    def delete(self, job_id: str) -> None:
        """Delete a job with its files. This stops it if it runs."""
        self._run(job_rules.delete(job_id, self.options.retries))

    def _run(self, steps: Steps[T]) -> T:
        """Carry a rule out to its end."""
        outcome: Answer | ServiceUnreachableError | None = None
        try:
            while True:
                step = advance(steps, outcome)
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    outcome = None
                else:
                    outcome = self._send(step)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            steps.close()

    def _send(self, call: Call) -> Answer | ServiceUnreachableError:
        try:
            with ExitStack() as files, self._http.stream(**self.request_arguments(call, files)) as response:
                if not begin(call, response):
                    return answer_of(response, response.read())
                assert call.receiver is not None
                for data in response.iter_bytes():
                    if call.receiver.feed(data):
                        break
                return answer_of(response, b"")
        except httpx.RequestError as error:
            return self.unreachable(error)

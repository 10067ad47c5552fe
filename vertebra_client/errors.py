"""What can go wrong beside what the service says, which is `app.contract.errors`.

::

    ClientError
    ├── ServiceUnreachableError    no connection, or it broke; `reason`
    ├── UnexpectedAnswerError      an answer that is not this service's; `status`, `text`
    ├── JobFailedError             the job that was waited for failed; `job`, `error`
    ├── JobCancelledError          somebody cancelled it; `job`
    ├── WaitTimeoutError           it has not ended in time; `job` as it was last seen
    ├── WrongArgumentError         a URL or an id that cannot be one; a `ValueError` too
    ├── AlreadyDownloadingError    another program downloads the same file to the same place
    └── DamagedResultError         a downloaded file is not what the service lists
"""

from __future__ import annotations

from app.contract.errors import VertebraError
from app.contract.job import Job


class ClientError(Exception):
    """Base class; the message is for a person."""


class ServiceUnreachableError(ClientError):
    """The service did not answer, or the connection broke."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"The service at {url} does not answer: {reason}")
        self.url, self.reason = url, reason


class UnexpectedAnswerError(ClientError):
    """The answer is not one of this service: a proxy's page, a redirection, or another version's JSON."""

    def __init__(self, message: str, status: int, text: str = "") -> None:
        super().__init__(message)
        self.status, self.text = status, text


class JobFailedError(ClientError):
    """The job failed. ``error`` is why, of the class that `app.contract.errors` has for it."""

    def __init__(self, job: Job, error: VertebraError) -> None:
        super().__init__(f"The job {job.id} failed: {error.title}. {error.detail}")
        self.job, self.error = job, error


class JobCancelledError(ClientError):
    """Somebody cancelled the job."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"The job {job.id} was cancelled.")
        self.job = job


class WaitTimeoutError(ClientError):
    """The job has not ended in the time that the caller waits; it goes on."""

    def __init__(self, job: Job, timeout_s: float) -> None:
        super().__init__(f"The job {job.id} has not ended after {timeout_s:g} s; it is {job.state} and goes on.")
        self.job = job


class AlreadyDownloadingError(ClientError):
    """Another program, or another thread, downloads the same file to the same place just now."""


class DamagedResultError(ClientError):
    """A downloaded file does not have the size or the SHA-256 that the service lists, also after a second try."""


class WrongArgumentError(ClientError, ValueError):
    """The URL of the service or the id of a job cannot be one."""

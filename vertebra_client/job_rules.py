"""The rules of single requests: submit, look, list, cancel, retry, delete."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.contract.errors import BrokerUnavailable, JobNotFound
from app.contract.job import JOBS_PATH, Job, JobPage, JobState
from app.contract.params import JobParams
from vertebra_client.answers import read_job, read_page
from vertebra_client.calls import Call, Progress, Steps
from vertebra_client.errors import WrongArgumentError
from vertebra_client.retries import Retries, ask
from vertebra_client.submission import Form, Submission, params_json

PAGE = 100
"""Jobs that one request for a list asks for, at most."""


@dataclass(frozen=True)
class Filter:
    """Which jobs to list; ``labels`` are ``key=value``, or ``key`` for any value, and a job has each of them."""

    state: JobState | None = None
    retry_of: str | None = None
    labels: Sequence[str] = ()

    @property
    def query(self) -> list[tuple[str, str]]:
        """The filter as a query."""
        texts = [("state", self.state), ("retry_of", self.retry_of), *(("label", label) for label in self.labels)]
        return [(name, text) for name, text in texts if text is not None]


def job_path(job_id: str, *more: str) -> str:
    """Return the path of a job, or of a resource below it. Raise `WrongArgumentError` if the id cannot be one."""
    if not job_id.isascii() or not job_id.isalnum():
        raise WrongArgumentError(f"A job's id has letters and digits only, got {job_id[:40]!r}.")
    return "/".join((JOBS_PATH, job_id, *more))


def submit(submission: Submission, key: str | None, progress: Progress | None, retries: Retries) -> Steps[Job]:
    """Upload the files and make the job. Whatever is sent twice makes one job, by the idempotency key."""
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    call = Call("POST", JOBS_PATH, headers=headers, body=submission.form(progress))
    return (yield from _accepted(call, retries))


@dataclass(frozen=True)
class Changes:
    """What a job that runs again has other than the earlier one.

    Parameters
    ----------
    params
        Those that are set take the place of the earlier job's; one that is set to None is taken back.
    mask
        A label map that corrects the outline: the path of a file, or its bytes.
    """

    params: JobParams = field(default_factory=JobParams)
    mask: Path | bytes | None = None


def retry(job_id: str, changes: Changes, key: str | None, retries: Retries) -> Steps[Job]:
    """Run the stored files of a job again, as a new job."""
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    text = params_json(changes.params)
    body: Form | bytes
    if changes.mask is None:
        headers["Content-Type"], body = "application/json", text.encode()
    else:
        body = Form({"mask": changes.mask}, {"params": text})
    call = Call("POST", job_path(job_id, "retry"), headers=headers, body=body)
    return (yield from _accepted(call, retries))


def _accepted(call: Call, retries: Retries) -> Steps[Job]:
    """Return the job that a call makes, also where the service has stored it while its queue does not answer."""
    try:
        answer = yield from ask(lambda: call, retries)
    except BrokerUnavailable as error:
        if "job_id" not in error.extra:
            raise
        return (yield from look(str(error.extra["job_id"]), retries))
    return read_job(answer.body)


def look(job_id: str, retries: Retries) -> Steps[Job]:
    """Return a job as it is now."""
    call = Call("GET", job_path(job_id))
    answer = yield from ask(lambda: call, retries)
    return read_job(answer.body)


def page(which: Filter, cursor: str | None, limit: int, retries: Retries) -> Steps[JobPage]:
    """Return a page of the list of jobs, newest first."""
    query = [*which.query, ("limit", str(limit)), *([] if cursor is None else [("cursor", cursor)])]
    call = Call("GET", JOBS_PATH, query=query)
    answer = yield from ask(lambda: call, retries)
    return read_page(answer.body)


def cancel(job_id: str, retries: Retries) -> Steps[Job]:
    """Stop a job that has not ended."""
    call = Call("POST", job_path(job_id, "cancel"))
    answer = yield from ask(lambda: call, retries)
    return read_job(answer.body)


def delete(job_id: str, retries: Retries) -> Steps[None]:
    """Delete a job. Where the answer to an earlier try got lost, a job that is gone is a job deleted."""
    sent = 0

    def call() -> Call:
        nonlocal sent
        sent += 1
        return Call("DELETE", job_path(job_id))

    try:
        yield from ask(call, retries)
    except JobNotFound:
        if sent == 1:
            raise

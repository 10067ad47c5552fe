"""The rule that waits for the end of a job: it follows the job's events, and asks where no events come through."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress

from app.contract.job import Job
from vertebra_client.answers import error_of, read_job
from vertebra_client.calls import Call, Pause, Steps, send
from vertebra_client.errors import JobCancelledError, JobFailedError, ServiceUnreachableError, WaitTimeoutError
from vertebra_client.events import EventParser
from vertebra_client.job_rules import job_path, look
from vertebra_client.retries import Retries

POLL_S = 1.0
"""Pause between two looks at a job; the service asks for about that."""

SILENCE_S = 45.0
"""An event stream that brings nothing for so long is broken, or held back by a proxy: the service sends a comment every
15 s."""

SHORTEST_STREAM_S = 30.0
"""With less time left than that a client looks instead of listening, as nothing wakes it from a silent stream."""

ENDED = ("succeeded", "failed", "cancelled")


class Watch:
    """What is known of a job that is waited for, and how long it will be; takes the body of an event stream."""

    def __init__(self, timeout_s: float | None, progress: Callable[[Job], object] | None) -> None:
        self._end = math.inf if timeout_s is None else time.monotonic() + timeout_s
        self._progress = progress
        self.job: Job | None = None
        self.events = EventParser()
        self.heard = False

    @property
    def left_s(self) -> float:
        """Seconds that the caller still waits."""
        return self._end - time.monotonic()

    @property
    def has_ended(self) -> bool:
        """Whether the job is known to have ended."""
        return self.job is not None and self.job.state in ENDED

    def see(self, job: Job) -> None:
        """Take the state of the job, and tell it if it is another than before."""
        if job != self.job:
            self.job = job
            if self._progress is not None:
                self._progress(job)

    def begin(self, status: int) -> None:
        """Begin a stream."""
        self.heard = False
        self.events.restart()

    def feed(self, data: bytes) -> bool:
        """Take a piece of a stream; return whether the job has ended or the time is nearly over."""
        for event in self.events.feed(data):
            if event.name == "job":
                self.heard = True
                self.see(read_job(event.data.encode()))
        return self.has_ended or self.left_s < SHORTEST_STREAM_S


def wait(
    job_id: str, timeout_s: float | None, progress: Callable[[Job], object] | None, retries: Retries
) -> Steps[Job]:
    """Return the job when it has succeeded.

    A stream that ends or breaks, as when the gateway starts again, is followed by a look at the job and another stream,
    which begins where the first one ended. After one that brought no event the client only looks.

    Raises
    ------
    JobFailedError, JobCancelledError
        The job has another end.
    WaitTimeoutError
        It has not ended in time.
    VertebraError, ClientError
        The service cannot be asked about it.
    """
    watch = Watch(timeout_s, progress)
    is_heard = True
    while True:
        watch.see((yield from look(job_id, retries.while_waiting())))
        if is_heard and not watch.has_ended and watch.left_s > SHORTEST_STREAM_S:
            is_heard = yield from _listen(job_id, watch)
        if watch.has_ended:
            return _outcome(watch)
        if watch.left_s <= 0:
            assert watch.job is not None
            raise WaitTimeoutError(watch.job, timeout_s or 0.0)
        yield Pause(min(POLL_S, max(watch.left_s, 0.0)))


def _listen(job_id: str, watch: Watch) -> Steps[bool]:
    """Follow the job's events to their end; return whether any came."""
    headers = {"Accept": "text/event-stream"} | (
        {"Last-Event-ID": watch.events.last_id} if watch.events.last_id else {}
    )
    call = Call("GET", job_path(job_id, "events"), headers=headers, receiver=watch, silence_s=SILENCE_S)
    watch.heard = False
    with suppress(ServiceUnreachableError):  # the look that follows finds out whether it comes back
        yield from send(call)
    return watch.heard


def _outcome(watch: Watch) -> Job:
    job = watch.job
    assert job is not None
    if job.state == "failed" and job.error is not None:
        raise JobFailedError(job, error_of(job.error))
    if job.state == "cancelled":
        raise JobCancelledError(job)
    return job

"""The exit codes of the command line. Scripts rely on them: a code never changes its meaning."""

from __future__ import annotations

from app.contract.errors import (
    ProcessingError,
    TooManyGuesses,
    TooManyQueuedJobs,
    TooManyRequests,
    Unavailable,
    VertebraError,
)
from vertebra_client import (
    ClientError,
    DamagedResultError,
    JobCancelledError,
    JobFailedError,
    UnexpectedAnswerError,
    WaitTimeoutError,
    WrongArgumentError,
)

DONE = 0
WRONG_HERE = 1
"""A setting, a file or an answer is wrong: something on this side must change."""
WRONG_ARGUMENTS = 2
"""The command line itself, as `argparse` says."""
TRY_LATER = 3
"""The service does not answer, or asks to come back later."""
REFUSED = 4
"""The service refuses the request: the credential, the job's id, a parameter."""
JOB_FAILED = 5
"""The job failed, or a job of the batch did; the output says why and what to do."""
JOB_CANCELLED = 6
NOT_ENDED = 7
"""The time of ``--timeout`` is over; the job goes on."""
INTERRUPTED = 130
"""Ctrl-C: 128 + SIGINT."""

MEANINGS = {
    DONE: "done",
    WRONG_HERE: "a setting or a file on this machine is wrong, or the answer is not one of the service",
    WRONG_ARGUMENTS: "the command line is wrong",
    TRY_LATER: "the service does not answer, or asks to come back later",
    REFUSED: "the service refuses the request: the credential, the job's id, a parameter",
    JOB_FAILED: "the job failed, or a job of the batch did",
    JOB_CANCELLED: "somebody cancelled the job",
    NOT_ENDED: "the time of --timeout is over; the job goes on",
    INTERRUPTED: "interrupted (Ctrl-C)",
}

LATER = (ClientError, ProcessingError, Unavailable, TooManyRequests, TooManyQueuedJobs, TooManyGuesses)


def exit_code(error: VertebraError | ClientError) -> int:
    """Return the exit code of a command that ends with an error."""
    if isinstance(error, JobFailedError):
        return JOB_FAILED
    if isinstance(error, JobCancelledError):
        return JOB_CANCELLED
    if isinstance(error, WaitTimeoutError):
        return NOT_ENDED
    if isinstance(error, UnexpectedAnswerError | DamagedResultError | WrongArgumentError):
        return WRONG_HERE
    return TRY_LATER if isinstance(error, LATER) else REFUSED

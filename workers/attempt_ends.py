"""How an attempt ends that publishes nothing. Without a database the reconciler starts the job again later."""

from __future__ import annotations

import logging

from sqlalchemy.exc import SQLAlchemyError

from app.contract.errors import DeadlineExceeded, StorageUnavailable, VertebraError
from app.jobs.attempts import Claim
from app.jobs.transitions import MAX_FAULTS
from workers.attempt_files import discard
from workers.attempt_watch import Interrupted, Overdue, WorkerStops
from workers.presence import job_store

log = logging.getLogger(__name__)


def conclude(claim: Claim, reason: Interrupted) -> None:
    """Write to the row why an attempt was interrupted; one that is fenced out may write nothing."""
    log.info("job %s: attempt %d is interrupted: %s", claim.job_id, claim.attempt, type(reason).__name__)
    if isinstance(reason, WorkerStops):
        _release(claim)
    elif isinstance(reason, Overdue):
        fail(claim, _too_slow(claim.longest_run_s))


def fail(claim: Claim, error: VertebraError) -> None:
    """Record why the job failed, without files."""
    try:
        if job_store().fail(claim.job_id, claim.token, error.problem()):
            discard(claim)
        else:  # it may hold published files, so they are left to the reconciler
            log.info("job %s: attempt %d has ended or is fenced out", claim.job_id, claim.attempt)
    except SQLAlchemyError:
        log.exception("job %s: cannot record that it failed", claim.job_id)


def _release(claim: Claim) -> None:
    """Put the job back, because this worker stops."""
    try:
        job_store().release(claim.job_id, claim.token)
    except SQLAlchemyError:
        log.warning("job %s: cannot queue it again; the reconciler will", claim.job_id)


def retry_later(claim: Claim, what: str) -> None:
    """Put the job back after a passing fault, or fail it after too many of them."""
    again = f"Such a fault may pass, so the job is tried again, up to {MAX_FAULTS} times."
    problem = StorageUnavailable(f"{what} {again}").problem()
    try:
        if job_store().release_after_fault(claim, problem):
            discard(claim)
        else:  # the job has ended, so the files may be published
            log.warning("job %s: no further attempt after %d passing faults", claim.job_id, claim.faults)
    except SQLAlchemyError:
        log.warning("job %s: cannot queue it again; the reconciler will", claim.job_id)


def _too_slow(limit_s: float) -> DeadlineExceeded:
    return DeadlineExceeded(
        "The computation took too long, so the worker stopped it. Try a smaller field of view.",
        expected=f"at most {limit_s:g} s",
        got="a longer run",
    )

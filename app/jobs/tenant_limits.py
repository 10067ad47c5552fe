"""What one tenant may have at a time: queued jobs, and bytes of uploads and results in storage."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from app.contract.errors import TooManyQueuedJobs, TooManyStoredBytes
from app.jobs.rows import VISIBLE_STATES, JobRow

RETRY_QUEUED_S = 30
RETRY_STORED_S = 3600
"""When a client should try again, seconds: a job takes seconds, and retention ends after hours."""


@dataclass(frozen=True)
class TenantLimits:
    """Limits of one tenant; ``None`` means no limit. The bytes are those of uploads and results together."""

    queued_jobs: int | None = None
    stored_bytes: int | None = None

    @property
    def are_set(self) -> bool:
        """Whether there is a limit."""
        return self.queued_jobs is not None or self.stored_bytes is not None


@dataclass(frozen=True)
class Usage:
    """What a tenant has."""

    queued_jobs: int
    stored_bytes: int


def lock_tenant(session: Session, tenant: str) -> None:
    """Let the transactions that add jobs or bytes to a tenant's wait for each other, so that each counts the others'.

    SQLite has one writer anyway, and the transaction writes before it counts.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:tenant))"), {"tenant": tenant})


def usage(session: Session, tenant: str) -> Usage:
    """Return what a tenant has, the jobs of this transaction included."""
    queued, size = session.execute(_count(tenant)).one()
    return Usage(int(queued), int(size))


def check(limits: TenantLimits, now: Usage) -> None:
    """Raise an error if a tenant has more than its limits allow.

    Raises
    ------
    TooManyQueuedJobs, TooManyStoredBytes
        The limit is exceeded; ``retry_after`` says when to try again.
    """
    if limits.queued_jobs is not None and now.queued_jobs > limits.queued_jobs:
        raise TooManyQueuedJobs(
            "Too many of your jobs wait. Submit again when some of them have started.",
            expected=f"at most {limits.queued_jobs} queued jobs",
            got="more with this one",
            retry_after=RETRY_QUEUED_S,
        )
    if limits.stored_bytes is not None and now.stored_bytes > limits.stored_bytes:
        raise TooManyStoredBytes(
            "Your uploads and results fill your share of the storage. Delete jobs that you no longer need, or wait "
            "until their retention ends.",
            expected=f"at most {limits.stored_bytes} bytes of uploads and results",
            got="more with this job",
            retry_after=RETRY_STORED_S,
        )


def _count(tenant: str) -> Select[int, int]:
    queued = func.count().filter(JobRow.state == "queued")
    size = JobRow.ct_size + func.coalesce(JobRow.mask_size, 0) + func.coalesce(JobRow.results_size, 0)
    return select(queued, func.coalesce(func.sum(size), 0)).where(
        JobRow.tenant == tenant, JobRow.state.in_(VISIBLE_STATES)
    )

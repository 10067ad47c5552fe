"""The job store: what the gateway does with job rows for its clients. `app.jobs.attempts` has the part of the workers.

::

    create -> queued
    cancel: queued, running -> cancelled
    delete: any state -> deleted (clients no longer see the job; the sweeper purges it)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, select, text, tuple_, update
from sqlalchemy.exc import IntegrityError

from app.jobs import tenant_limits
from app.jobs.attempts import AttemptStore
from app.jobs.database import connect, open_database
from app.jobs.job_filter import EVERY_JOB, JobFilter
from app.jobs.rows import OPEN_STATES, VISIBLE_STATES, AuditRow, JobRow
from app.jobs.settings import Settings
from app.jobs.tenant_limits import TenantLimits


class JobStore(AttemptStore):
    """Reads and writes job rows: what the gateway does for clients, and the attempts of the workers."""

    def ping(self) -> None:
        """Raise an error if the database does not answer."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def create(self, row: JobRow, entry: AuditRow | None = None) -> JobRow:
        """Insert a queued job, and its entry of the audit trail in the same transaction.

        Return the earlier job instead if the tenant used the idempotency key before.

        Raises
        ------
        TooManyQueuedJobs, TooManyStoredBytes
            The tenant would have more than its limits allow.
        """
        now: Any = self.clock()
        row.created_at, row.enqueued_at = now, now
        try:
            with self.sessions.begin() as session:
                if self.limits.are_set:
                    tenant_limits.lock_tenant(session, row.tenant)
                session.add(row)
                session.flush()
                if self.limits.are_set:
                    tenant_limits.check(self.limits, tenant_limits.usage(session, row.tenant))
                session.refresh(row, ["created_at", "enqueued_at"])
                if entry is not None:
                    entry.at = row.created_at
                    session.add(entry)
            return row
        except IntegrityError:
            earlier = self._by_idempotency_key(row.tenant, row.idempotency_key)
            if earlier is None:
                raise
            return earlier

    def check_limits(self, tenant: str, idempotency_key: str | None, size: int) -> None:
        """Raise what `create` would raise for a new job with so many bytes of files, before they are there."""
        if not self.limits.are_set or self._by_idempotency_key(tenant, idempotency_key) is not None:
            return
        with self.sessions() as session:
            now = tenant_limits.usage(session, tenant)
        tenant_limits.check(self.limits, tenant_limits.Usage(now.queued_jobs + 1, now.stored_bytes + size))

    def get(self, tenant: str, job_id: str) -> JobRow | None:
        """Return a tenant's job. Return ``None`` if it is absent, deleted or another tenant's."""
        with self.sessions() as session:
            return session.scalar(select(JobRow).where(JobRow.id == job_id, *_visible(tenant)))

    def get_many(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], JobRow]:
        """Return the jobs of these tenants and ids that exist and are not deleted."""
        wanted = set(keys)
        query = select(JobRow).where(JobRow.id.in_({job_id for _, job_id in wanted}), JobRow.state.in_(VISIBLE_STATES))
        with self.sessions() as session:
            rows = {(row.tenant, row.id): row for row in session.scalars(query)}
        return {key: row for key, row in rows.items() if key in wanted}

    def tenant_of(self, job_id: str) -> str | None:
        """Return whose job it is; ``None`` if it is absent or deleted. Only for who has proven a right to the job."""
        with self.sessions() as session:
            return session.scalar(select(JobRow.tenant).where(JobRow.id == job_id, JobRow.state.in_(VISIBLE_STATES)))

    def list_page(
        self, tenant: str, which: JobFilter = EVERY_JOB, *, before: tuple[float, str] | None = None, limit: int = 50
    ) -> list[JobRow]:
        """Return those jobs of a tenant that are older than the ``(created_at, id)`` of ``before``, newest first."""
        query = select(JobRow).where(*_visible(tenant), *which.conditions())
        if before is not None:
            query = query.where(tuple_(JobRow.created_at, JobRow.id) < tuple_(*before))
        with self.sessions() as session:
            return list(session.scalars(query.order_by(JobRow.created_at.desc(), JobRow.id.desc()).limit(limit)))

    def cancel(self, tenant: str, job_id: str) -> bool:
        """Cancel a job that has not ended; the new token fences out a running attempt. Return whether it was open."""
        return self._update(
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.tenant == tenant, JobRow.state.in_(OPEN_STATES))
            .values(state="cancelled", token=JobRow.token + 1, finished_at=self.clock())
        )

    def delete(self, tenant: str, job_id: str) -> bool:
        """Stop and hide a job; the new token fences out a running attempt."""
        return self._update(
            update(JobRow)
            .where(JobRow.id == job_id, *_visible(tenant))
            .values(state="deleted", token=JobRow.token + 1, idempotency_key=None, finished_at=self.clock())
        )

    def _by_idempotency_key(self, tenant: str, key: str | None) -> JobRow | None:
        if key is None:
            return None
        with self.sessions() as session:
            return session.scalar(select(JobRow).where(JobRow.idempotency_key == key, *_visible(tenant)))


def _visible(tenant: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of a row that the tenant may see."""
    return JobRow.tenant == tenant, JobRow.state.in_(VISIBLE_STATES)


def open_store(settings: Settings, *, is_checked: bool = False, may_be_away: bool = False) -> JobStore:
    """Connect to the job rows of these settings.

    Parameters
    ----------
    settings
        Database and limits.
    is_checked
        The process that started this one has checked the version of the tables (see `open_database`).
    may_be_away
        See `open_database`.
    """
    return JobStore(
        connect(settings.database) if is_checked else open_database(settings.database, may_be_away=may_be_away),
        max_attempts=settings.max_attempts,
        stale_after_s=settings.stale_after_s,
        deadline_s=settings.job_deadline_s,
        limits=TenantLimits(settings.tenant_queued_jobs, settings.tenant_stored_bytes),
    )

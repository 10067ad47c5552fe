"""The job store. Every transition of a job is one conditional UPDATE.

::

    create -> queued -- claim --> running -- succeed --> succeeded
                ^                   |  |---- fail -----> failed
                |---- release ------|
    delete: any state -> cancelled (clients no longer see the job; the reconciler purges it)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, and_, or_, select, text, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql.dml import Update

from app.jobs.database import connect, open_database
from app.jobs.rows import STAGE_LENGTH, VISIBLE_STATES, JobRow, Json
from app.jobs.settings import Settings
from app.jobs.transitions import attempts_exhausted_problem, failure_values, requeue_values, running_values


@dataclass(frozen=True)
class Claim:
    """The right to run one attempt. It holds as long as ``token`` is the current token of the row."""

    job_id: str
    token: int
    attempt: int
    params: Json
    has_mask: bool
    request_id: str | None = None


class JobStore:
    """Reads and writes job rows.

    Parameters
    ----------
    engine
        See `app.jobs.database.open_database`.
    max_attempts
        Attempts before the job fails with ``attempts_exhausted``.
    stale_after_s
        Seconds without a heartbeat after which another worker may take over a running job.
    deadline_s
        Longest run of an attempt, seconds. See `app.jobs.transitions.DEADLINE_GRACE_S` for the row's deadline.
    clock
        Returns seconds since the epoch.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        max_attempts: int,
        stale_after_s: float,
        deadline_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self.sessions = sessionmaker(engine, expire_on_commit=False)
        self.max_attempts = max_attempts
        self.stale_after_s = stale_after_s
        self.deadline_s = deadline_s
        self.clock = clock

    def ping(self) -> None:
        """Raise an error if the database does not answer."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    # -- what the gateway does for clients

    def create(self, row: JobRow) -> JobRow:
        """Insert a queued job. Return the earlier job instead if the tenant used the idempotency key before."""
        row.created_at = self.clock()
        row.enqueued_at, row.enqueue_count = row.created_at, 1  # the caller sends the id next
        try:
            with self.sessions.begin() as session:
                session.add(row)
            return row
        except IntegrityError:
            earlier = self._by_idempotency_key(row.tenant, row.idempotency_key)
            if earlier is None:
                raise
            return earlier

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

    def list_page(
        self, tenant: str, *, state: str | None = None, before: tuple[float, str] | None = None, limit: int = 50
    ) -> list[JobRow]:
        """Return a tenant's jobs older than the ``(created_at, id)`` of ``before``, newest first."""
        query = select(JobRow).where(*_visible(tenant))
        if state is not None:
            query = query.where(JobRow.state == state)
        if before is not None:
            query = query.where(tuple_(JobRow.created_at, JobRow.id) < tuple_(*before))
        with self.sessions() as session:
            return list(session.scalars(query.order_by(JobRow.created_at.desc(), JobRow.id.desc()).limit(limit)))

    def delete(self, tenant: str, job_id: str) -> bool:
        """Cancel and hide a job; the new token fences out a running attempt."""
        return self._update(
            update(JobRow)
            .where(JobRow.id == job_id, *_visible(tenant))
            .values(state="cancelled", token=JobRow.token + 1, idempotency_key=None, finished_at=self.clock())
        )

    def mark_not_enqueued(self, job_id: str) -> None:
        """Record that the queue refused the job's id, so that the reconciler sends it again."""
        self._update(
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.state == "queued")
            .values(enqueued_at=None, enqueue_count=0)
        )

    # -- what a worker does with its attempt

    def claim(self, job_id: str, worker: str) -> Claim | None:
        """Start an attempt. Return ``None`` if the job must not start, for example after a duplicate delivery."""
        now = self.clock()
        startable = self._startable(job_id, now)
        statement = (
            update(JobRow)
            .where(startable, JobRow.attempt < self.max_attempts)
            .values(**running_values(worker, now, self.deadline_s))
            .returning(JobRow.token, JobRow.attempt, JobRow.params, JobRow.mask_sha256, JobRow.request_id)
        )
        with self.sessions.begin() as session:
            row = session.execute(statement).one_or_none()
        if row is not None:
            return Claim(job_id, row.token, row.attempt, row.params, row.mask_sha256 is not None, row.request_id)
        self._fail_exhausted(startable, now)
        return None

    def heartbeat(self, job_id: str, token: int) -> bool:
        """Record that the attempt is alive. Return false once it is fenced out."""
        return self._update(self._held(job_id, token).values(heartbeat=self.clock()))

    def progress(self, job_id: str, token: int, stage: str, percent: float) -> bool:
        """Record stage and progress (percent of the whole job). Return false once the attempt is fenced out."""
        return self._update(
            self._held(job_id, token).values(
                stage=stage[:STAGE_LENGTH], percent=min(max(percent, 0.0), 100.0), heartbeat=self.clock()
            )
        )

    def succeed(
        self, job_id: str, token: int, *, results: list[Json], timings: dict[str, float], bundle_version: str
    ) -> bool:
        """Publish the results of this attempt. Publish nothing and return false once it is fenced out."""
        return self._update(
            self._held(job_id, token).values(
                state="succeeded",
                stage=None,
                percent=100.0,
                results=results,
                timings=timings,
                bundle_version=bundle_version,
                error=None,
                finished_at=self.clock(),
            )
        )

    def fail(self, job_id: str, token: int, problem: Json, results: list[Json] | None = None) -> bool:
        """Fail the job with an RFC 9457 problem, and publish the pictures that explain it, if any.

        Publish nothing and return false once the attempt is fenced out.
        """
        return self._update(
            self._held(job_id, token).values(
                state="failed", error=problem, results=results or None, finished_at=self.clock()
            )
        )

    def release(self, job_id: str, token: int) -> bool:
        """Put the job back into the queue, because the storage failed; it waits longer after each attempt."""
        wait = {"enqueued_at": self.clock(), "enqueue_count": JobRow.attempt}
        return self._update(self._held(job_id, token).values(**requeue_values() | wait))

    def _by_idempotency_key(self, tenant: str, key: str | None) -> JobRow | None:
        if key is None:
            return None
        with self.sessions() as session:
            return session.scalar(select(JobRow).where(JobRow.idempotency_key == key, *_visible(tenant)))

    def _startable(self, job_id: str, now: float) -> ColumnElement[bool]:
        """Return the condition that a job waits, or that its worker is silent."""
        abandoned = and_(JobRow.state == "running", JobRow.heartbeat < now - self.stale_after_s)
        return and_(JobRow.id == job_id, or_(JobRow.state == "queued", abandoned))

    def _fail_exhausted(self, which: ColumnElement[bool], now: float) -> None:
        """Fail the job that could start if it had attempts left."""
        self._update(
            update(JobRow)
            .where(which, JobRow.attempt >= self.max_attempts)
            .values(**failure_values(attempts_exhausted_problem(self.max_attempts), now))
        )

    def _held(self, job_id: str, token: int) -> Update:
        """Return an UPDATE that changes the row only while the attempt holds the current token."""
        return update(JobRow).where(JobRow.id == job_id, JobRow.token == token, JobRow.state == "running")

    def _update(self, statement: Update) -> bool:
        """Run an UPDATE of one row; return whether it changed the row."""
        with Session(self.engine) as session, session.begin():
            return session.execute(statement.returning(JobRow.id)).first() is not None


def _visible(tenant: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of a row that the tenant may see."""
    return JobRow.tenant == tenant, JobRow.state.in_(VISIBLE_STATES)


def open_store(settings: Settings, *, is_checked: bool = False) -> JobStore:
    """Connect to the job rows of these settings.

    Parameters
    ----------
    settings
        Database and limits.
    is_checked
        The process that started this one has checked the version of the tables (see `open_database`).
    """
    return JobStore(
        connect(settings.database) if is_checked else open_database(settings.database),
        max_attempts=settings.max_attempts,
        stale_after_s=settings.stale_after_s,
        deadline_s=settings.job_deadline_s,
    )

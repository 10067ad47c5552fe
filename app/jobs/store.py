"""The job store: every transition of a job is one conditional UPDATE.

::

    create -> queued -- claim --> running -- succeed --> succeeded
                ^                   |  |---- fail -----> failed
                |---- release ------|
    delete: any state -> cancelled (hidden from clients, purged by the reconciler)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, func, or_, select, text, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql.dml import Update

from app.contract.errors import AttemptsExhausted
from app.jobs.rows import VISIBLE_STATES, JobRow, Json

DEADLINE_GRACE_S = 30.0


@dataclass(frozen=True)
class Claim:
    """The right to run a job, valid while ``token`` is the row's current one."""

    job_id: str
    token: int
    attempt: int
    params: Json
    has_mask: bool


class JobStore:
    """Reads and writes job rows.

    Parameters
    ----------
    engine
        See `app.jobs.database.open_database`.
    max_attempts
        Starts of a job before it ends as ``attempts_exhausted``.
    stale_after_s
        Seconds without heartbeat after which another worker may take a running job over.
    deadline_s
        Seconds an attempt may run; the row's deadline is a little later, so that the worker can say so itself.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        max_attempts: int = 3,
        stale_after_s: float = 45.0,
        deadline_s: float = 540.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self.sessions = sessionmaker(engine, expire_on_commit=False)
        self.max_attempts = max_attempts
        self.stale_after_s = stale_after_s
        self.deadline_s = deadline_s
        self.clock = clock

    def ping(self) -> None:
        """Raise if the database does not answer."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    # -- clients

    def create(self, row: JobRow) -> JobRow:
        """Insert a queued job; return the earlier job instead when the tenant's idempotency key is known."""
        row.created_at = self.clock()
        row.enqueued_at, row.enqueue_count = row.created_at, 1  # the caller sends it next
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
        """Return a tenant's job, ``None`` when it is not theirs, deleted or absent."""
        with self.sessions() as session:
            return session.scalar(select(JobRow).where(JobRow.id == job_id, *_visible(tenant)))

    def page(
        self, tenant: str, *, state: str | None = None, before: tuple[float, str] | None = None, limit: int = 50
    ) -> list[JobRow]:
        """Return a tenant's jobs, newest first, those after the ``(created_at, id)`` of ``before``."""
        query = select(JobRow).where(*_visible(tenant))
        if state is not None:
            query = query.where(JobRow.state == state)
        if before is not None:
            query = query.where(tuple_(JobRow.created_at, JobRow.id) < tuple_(*before))
        with self.sessions() as session:
            return list(session.scalars(query.order_by(JobRow.created_at.desc(), JobRow.id.desc()).limit(limit)))

    def delete(self, tenant: str, job_id: str) -> bool:
        """Cancel and hide a job; the new token fences out an attempt that is under way."""
        return self._changed(
            update(JobRow)
            .where(JobRow.id == job_id, *_visible(tenant))
            .values(state="cancelled", token=JobRow.token + 1, idempotency_key=None, finished_at=self.clock())
        )

    def not_enqueued(self, job_id: str) -> None:
        """Note that the queue did not take the job's id: the reconciler sends it as soon as it does."""
        self._changed(
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.state == "queued")
            .values(enqueued_at=None, enqueue_count=0)
        )

    # -- workers

    def claim(self, job_id: str, worker: str) -> Claim | None:
        """Start an attempt, or return ``None`` when the job is not to be started (a duplicate delivery, say)."""
        now = self.clock()
        startable = self._startable(job_id, now)
        statement = (
            update(JobRow)
            .where(startable, JobRow.attempt < self.max_attempts)
            .values(
                state="running",
                attempt=JobRow.attempt + 1,
                token=JobRow.token + 1,
                worker=worker,
                stage=None,
                percent=0.0,
                heartbeat=now,
                deadline=now + self.deadline_s + DEADLINE_GRACE_S,
                started_at=now,
            )
            .returning(JobRow.token, JobRow.attempt, JobRow.params, JobRow.mask_sha256)
        )
        with self.sessions.begin() as session:
            row = session.execute(statement).one_or_none()
        if row is not None:
            return Claim(job_id, row.token, row.attempt, row.params, row.mask_sha256 is not None)
        self._end_exhausted(startable, now)
        return None

    def heartbeat(self, job_id: str, token: int) -> bool:
        """Say that the attempt lives; false once it is fenced out."""
        return self._changed(self._held(job_id, token).values(heartbeat=self.clock()))

    def progress(self, job_id: str, token: int, stage: str, percent: float) -> bool:
        """Record where the attempt is (percent of the whole job); false once it is fenced out."""
        return self._changed(
            self._held(job_id, token).values(
                stage=stage[:64], percent=min(max(percent, 0.0), 100.0), heartbeat=self.clock()
            )
        )

    def succeed(
        self, job_id: str, token: int, *, results: list[Json], timings: dict[str, float], bundle_version: str
    ) -> bool:
        """Publish the results of this attempt; false, and nothing published, once it is fenced out."""
        return self._changed(
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

    def fail(self, job_id: str, token: int, problem: Json) -> bool:
        """End the job with an RFC 9457 problem; false once the attempt is fenced out."""
        return self._changed(self._held(job_id, token).values(state="failed", error=problem, finished_at=self.clock()))

    def release(self, job_id: str, token: int) -> bool:
        """Give the job back (storage went away under the attempt); it waits longer after each attempt."""
        later = {"enqueued_at": self.clock(), "enqueue_count": JobRow.attempt}
        return self._changed(self._held(job_id, token).values(**requeued() | later))

    # -- shared

    def counts(self) -> dict[str, int]:
        """Return the number of jobs a state."""
        with self.sessions() as session:
            rows = session.execute(select(JobRow.state, func.count()).group_by(JobRow.state))
            return {state: count for state, count in rows}

    def run_seconds(self) -> dict[str, tuple[int, float]]:
        """Return, per final state, how many jobs were run and their summed run time (seconds)."""
        span = func.coalesce(func.sum(JobRow.finished_at - JobRow.started_at), 0.0)
        query = (
            select(JobRow.state, func.count(), span)
            .where(JobRow.state.in_(("succeeded", "failed")), JobRow.started_at.is_not(None))
            .group_by(JobRow.state)
        )
        with self.sessions() as session:
            return {state: (count, float(total or 0.0)) for state, count, total in session.execute(query)}

    def _by_idempotency_key(self, tenant: str, key: str | None) -> JobRow | None:
        if key is None:
            return None
        with self.sessions() as session:
            return session.scalar(select(JobRow).where(JobRow.idempotency_key == key, *_visible(tenant)))

    def _startable(self, job_id: str, now: float) -> ColumnElement[bool]:
        abandoned = and_(JobRow.state == "running", JobRow.heartbeat < now - self.stale_after_s)
        return and_(JobRow.id == job_id, or_(JobRow.state == "queued", abandoned))

    def _end_exhausted(self, which: ColumnElement[bool], now: float) -> None:
        self._changed(
            update(JobRow)
            .where(which, JobRow.attempt >= self.max_attempts)
            .values(**ended(exhausted_problem(self.max_attempts), now))
        )

    def _held(self, job_id: str, token: int) -> Update:
        return update(JobRow).where(JobRow.id == job_id, JobRow.token == token, JobRow.state == "running")

    def _changed(self, statement: Update) -> bool:
        with Session(self.engine) as session, session.begin():
            return session.execute(statement.returning(JobRow.id)).first() is not None


def _visible(tenant: str) -> tuple[ColumnElement[bool], ...]:
    return JobRow.tenant == tenant, JobRow.state.in_(VISIBLE_STATES)


def requeued() -> dict[str, Any]:
    """Return the column values that put a running job back to waiting, to be enqueued at once."""
    return {
        "state": "queued",
        "stage": None,
        "percent": 0.0,
        "token": JobRow.token + 1,
        "heartbeat": None,
        "deadline": None,
        "enqueued_at": None,
        "enqueue_count": 0,
    }


def ended(problem: Json, now: float) -> dict[str, Any]:
    """Return the column values that end a job from outside its attempt, which is fenced out."""
    return {"state": "failed", "error": problem, "token": JobRow.token + 1, "finished_at": now}


def exhausted_problem(max_attempts: int) -> Json:
    """Return the problem details of a job that was started ``max_attempts`` times and never finished."""
    return AttemptsExhausted(
        f"The job was started {max_attempts} times and no attempt came to its end (the worker process died, or the "
        "storage was away). Submit it again; if that fails too, the operator finds the cause in the worker's log.",
        expected=f"an end within {max_attempts} attempts",
        got=f"{max_attempts} attempts without one",
    ).problem()

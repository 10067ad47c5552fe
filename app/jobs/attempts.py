"""The attempts of a job, as a worker makes them. Every transition is one conditional UPDATE.

::

    queued -- claim --> running -- succeed --> succeeded
      ^                   |  |---- fail -----> failed
      |---- release ------|
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, func, select, update
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql.dml import Update

from app.contract.params import CONTRACT
from app.jobs import tenant_limits
from app.jobs.clock import Now, database_clock
from app.jobs.fair_order import fairest_waiting, is_waiting
from app.jobs.rows import STAGE_LENGTH, JobRow, Json
from app.jobs.tenant_limits import TenantLimits
from app.jobs.transitions import (
    MAX_FAULTS,
    attempts_exhausted_problem,
    failure_values,
    pause_after_fault,
    published_values,
    requeue_values,
    running_values,
)


@dataclass(frozen=True)
class Claim:
    """The right to run one attempt. It holds as long as ``token`` is the current token of the row.

    ``faults`` counts the attempts that ended with a passing fault before this one. ``corrects`` is the job whose
    outline the mask of this one corrects. ``ct_is_away`` where the CT is still to be fetched from an archive;
    ``ct_token`` is the token of the earlier attempt that fetched it.
    """

    job_id: str
    token: int
    attempt: int
    params: Json
    has_mask: bool
    faults: int
    longest_run_s: float
    request_id: str | None = None
    traceparent: str | None = None
    corrects: str | None = None
    ct_is_away: bool = False
    ct_token: int | None = None
    tenant: str = ""


class AttemptStore:
    """Reads and writes the attempts in the job rows.

    Parameters
    ----------
    engine
        See `app.jobs.database.open_database`.
    max_attempts
        Attempts before the job fails with ``attempts_exhausted``.
    stale_after_s
        Seconds without a heartbeat after which a running attempt counts as dead.
    deadline_s
        Longest run of an attempt whose job asks for no shorter one, seconds.
        See `app.jobs.transitions.DEADLINE_GRACE_S` for the row's deadline.
    limits
        What a tenant may have; without limits by default.
    clock
        Returns the present; the database's clock by default.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        max_attempts: int,
        stale_after_s: float,
        deadline_s: float,
        limits: TenantLimits | None = None,
        clock: Callable[[], Now] | None = None,
    ) -> None:
        self.engine = engine
        self.sessions = sessionmaker(engine, expire_on_commit=False)
        self.max_attempts = max_attempts
        self.stale_after_s = stale_after_s
        self.deadline_s = deadline_s
        self.limits = limits or TenantLimits()
        self.clock = clock or database_clock(engine)

    def claim_next(self, worker: str, contract: int = CONTRACT) -> Claim | None:
        """Start an attempt of the job whose turn it is. Return ``None`` if no job waits that this worker can read."""
        while True:
            with self.sessions() as session:
                job_id = session.scalar(fairest_waiting(self.clock(), contract))
            if job_id is None:
                return None
            claim = self.claim(job_id, worker, contract)
            if claim is not None:  # otherwise another worker was faster, so ask again
                return claim

    def claim(self, job_id: str, worker: str, contract: int = CONTRACT) -> Claim | None:
        """Start an attempt of one job. Return ``None`` if it does not wait, for example because another worker has it.

        A job that waits without attempts left fails.
        """
        now = self.clock()
        waiting = (JobRow.id == job_id) & is_waiting(now, contract)
        statement = (
            update(JobRow)
            .where(waiting, JobRow.attempt < self.max_attempts)
            .values(**running_values(worker, now, func.coalesce(JobRow.longest_run_s, self.deadline_s)))
            .returning(JobRow)
        )
        with self.sessions.begin() as session:
            row = session.scalars(statement).one_or_none()
        if row is None:
            self._fail_exhausted(waiting, now)
            return None
        return Claim(
            job_id=job_id,
            token=row.token,
            attempt=row.attempt,
            params=row.params,
            has_mask=row.mask_sha256 is not None,
            faults=row.faults,
            longest_run_s=row.longest_run_s or self.deadline_s,
            request_id=row.request_id,
            traceparent=row.traceparent,
            corrects=row.corrects,
            ct_is_away=row.ct_sha256 == row.ct_reference_sha256,
            ct_token=row.ct_token,
            tenant=row.tenant,
        )

    def heartbeat(self, job_id: str, token: int) -> bool:
        """Record that the attempt is alive. Return false once it has ended or is fenced out."""
        return self._update(self._held(job_id, token).values(heartbeat=self.clock()))

    def is_current(self, job_id: str, token: int) -> bool:
        """Return whether the token is the current one: no cancellation, deletion or later attempt fenced it out."""
        with self.sessions() as session:
            return session.scalar(select(JobRow.token).where(JobRow.id == job_id)) == token

    def progress(self, job_id: str, token: int, stage: str, percent: float, level: str | None = None) -> bool:
        """Record stage, progress (percent of the whole job) and, of a job with several, the level.

        Return false once the attempt is fenced out.
        """
        values = {"stage": stage[:STAGE_LENGTH], "percent": min(max(percent, 0.0), 100.0), "level": level}
        return self._update(self._held(job_id, token).values(**values, heartbeat=self.clock()))

    def succeed(
        self,
        job_id: str,
        token: int,
        *,
        results: list[Json],
        timings: dict[str, float],
        bundle_version: str,
        warnings: Sequence[str] = (),
        found_level: str | None = None,
    ) -> bool:
        """Publish the results of this attempt. Publish nothing and return false once it is fenced out."""
        return self._update(
            self._held(job_id, token).values(
                state="succeeded",
                stage=None,
                level=None,
                percent=100.0,
                **published_values(results),
                timings=timings,
                bundle_version=bundle_version,
                warnings=list(warnings),
                found_level=found_level,
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
                state="failed", error=problem, finished_at=self.clock(), **published_values(results)
            )
        )

    def release(self, job_id: str, token: int) -> bool:
        """Put the job back because this worker stops. The attempt does not count."""
        return self._update(
            self._held(job_id, token).values(**requeue_values(self.clock()), attempt=JobRow.attempt - 1)
        )

    def release_after_fault(self, claim: Claim, problem: Json) -> bool:
        """Put the job back because of a passing fault such as a full disk. The attempt does not count.

        The job waits longer after each fault, and shows the problem meanwhile. After
        `app.jobs.transitions.MAX_FAULTS` of them it fails with the problem. Return whether it waits.
        """
        if claim.faults >= MAX_FAULTS:
            self.fail(claim.job_id, claim.token, problem)
            return False
        back = requeue_values(self.clock() + pause_after_fault(claim.faults))
        counts = {"attempt": JobRow.attempt - 1, "faults": JobRow.faults + 1}
        return self._update(self._held(claim.job_id, claim.token).values(**back, **counts, error=problem))

    def ct_arrived(self, claim: Claim, size: int, sha256: str) -> bool:
        """Record the CT that the attempt has fetched from an archive. Return false once the attempt is fenced out.

        The row then names the attempt's file (`app.jobs.storage_keys.ct_key`).

        Raises
        ------
        TooManyStoredBytes
            With it the tenant has more bytes than its limits allow; nothing is recorded then.
        """
        values = {"ct_size": size, "ct_sha256": sha256, "ct_token": claim.token}
        arrived = self._held(claim.job_id, claim.token).values(**values).returning(JobRow.id)
        limits = TenantLimits(stored_bytes=self.limits.stored_bytes)
        with self.sessions.begin() as session:
            if limits.are_set:
                tenant_limits.lock_tenant(session, claim.tenant)
            is_held = session.scalar(arrived) is not None
            if is_held and limits.are_set:
                tenant_limits.check(limits, tenant_limits.usage(session, claim.tenant))
        return is_held

    def _fail_exhausted(self, which: ColumnElement[bool], now: Now) -> None:
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

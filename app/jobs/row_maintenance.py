"""What the reconciler asks of the job rows; each function is safe to run in many gateways at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, or_, select, update

from app.contract.errors import DeadlineExceeded
from app.jobs.rows import OPEN_STATES, JobRow
from app.jobs.store import JobStore, ended, exhausted_problem, requeued

MAX_BACKOFF_DOUBLINGS = 6


@dataclass(frozen=True)
class WaitingJob:
    """A queued job whose id should be sent again."""

    job_id: str
    enqueued_at: float | None


def end_overdue(store: JobStore) -> list[str]:
    """Fail running jobs past their deadline; return their ids."""
    now = store.clock()
    problem = DeadlineExceeded(
        "The job ran past its time limit and was stopped. Try a smaller field of view, or ask the operator to raise "
        "VERTEBRA_JOB_DEADLINE_S.",
        expected=f"at most {store.deadline_s:g} s",
        got="a longer run",
    ).problem()
    with store.sessions.begin() as session:
        statement = update(JobRow).where(JobRow.state == "running", JobRow.deadline < now)
        return list(session.scalars(statement.values(**ended(problem, now)).returning(JobRow.id)))


def release_stale(store: JobStore) -> list[str]:
    """Put running jobs whose worker fell silent back to waiting, or fail those out of attempts."""
    now = store.clock()
    silent = update(JobRow).where(JobRow.state == "running", JobRow.heartbeat < now - store.stale_after_s)
    with store.sessions.begin() as session:
        spent = silent.where(JobRow.attempt >= store.max_attempts)
        ids = list(
            session.scalars(spent.values(**ended(exhausted_problem(store.max_attempts), now)).returning(JobRow.id))
        )
        ids += session.scalars(silent.values(**requeued()).returning(JobRow.id))
    return ids


def release_all(store: JobStore) -> int:
    """Put every running job back to waiting: for a start at which no worker can be alive."""
    with store.sessions.begin() as session:
        statement = update(JobRow).where(JobRow.state == "running").values(**requeued())
        return len(session.scalars(statement.returning(JobRow.id)).all())


def list_waiting(store: JobStore, requeue_after_s: float, limit: int = 500) -> list[WaitingJob]:
    """Return queued jobs not enqueued yet, or so long ago that the message may be lost.

    The pause doubles with every sending, so that a long queue does not fill with duplicates.
    """
    now = store.clock()
    query = (
        select(JobRow.id, JobRow.enqueued_at, JobRow.enqueue_count)
        .where(
            JobRow.state == "queued",
            or_(JobRow.enqueued_at.is_(None), JobRow.enqueued_at < now - requeue_after_s),
        )
        .order_by(JobRow.created_at)
        .limit(limit)
    )
    with store.sessions() as session:
        rows = session.execute(query).all()
    return [
        WaitingJob(job_id, sent)
        for job_id, sent, count in rows
        if sent is None or now - sent > _pause(count, requeue_after_s)
    ]


def _pause(count: int, base_s: float) -> float:
    return base_s * float(2 ** min(max(count - 1, 0), MAX_BACKOFF_DOUBLINGS))


def reserve_sending(store: JobStore, item: WaitingJob) -> bool:
    """Win the right to send a waiting job's id (of all gateways that saw it, one does)."""
    same = JobRow.enqueued_at.is_(None) if item.enqueued_at is None else JobRow.enqueued_at == item.enqueued_at
    statement = (
        update(JobRow)
        .where(JobRow.id == item.job_id, JobRow.state == "queued", same)
        .values(enqueued_at=store.clock(), enqueue_count=JobRow.enqueue_count + 1)
    )
    with store.sessions.begin() as session:
        return session.execute(statement.returning(JobRow.id)).first() is not None


def list_expired(store: JobStore, retention_s: float) -> list[str]:
    """Return ids to purge: finished longer ago than the retention, or deleted and surely no longer worked on."""
    now = store.clock()
    settled = now - store.deadline_s
    query = select(JobRow.id).where(
        or_(
            JobRow.state.not_in(OPEN_STATES) & (JobRow.finished_at < now - retention_s),
            (JobRow.state == "cancelled") & (JobRow.finished_at < settled),
        )
    )
    with store.sessions() as session:
        return list(session.scalars(query.limit(500)))


def purge(store: JobStore, job_id: str) -> None:
    """Remove a finished or deleted row for good."""
    with store.sessions.begin() as session:
        session.execute(delete(JobRow).where(JobRow.id == job_id, JobRow.state.not_in(OPEN_STATES)))


def current_tokens(store: JobStore, job_ids: Iterable[str]) -> dict[str, int]:
    """Return the current fencing token of those jobs that have a row."""
    with store.sessions() as session:
        rows = session.execute(select(JobRow.id, JobRow.token).where(JobRow.id.in_(list(job_ids))))
        return {job_id: token for job_id, token in rows}

"""What the reconciler does with the job rows. Many gateways may run each function at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import case, delete, literal, or_, select, update

from app.contract.errors import DeadlineExceeded
from app.contract.params import CONTRACT
from app.jobs.fair_order import is_waiting
from app.jobs.rows import OPEN_STATES, JobRow
from app.jobs.store import JobStore
from app.jobs.transitions import attempts_exhausted_problem, failure_values, requeue_values

BATCH_SIZE = 500
"""Most jobs that one round takes from the database; the next round takes the rest."""


def end_overdue(store: JobStore) -> list[str]:
    """Fail running jobs past their deadline; return their ids."""
    now = store.clock()
    problem = DeadlineExceeded(
        "The job ran longer than its time limit, so the service stopped it. Try a smaller field of view, or ask the "
        "operator to raise VERTEBRA_JOB_DEADLINE_S.",
        expected=f"at most {store.deadline_s:g} s, or the job's own `deadline_s`",
        got="a longer run",
    ).problem()
    with store.sessions.begin() as session:
        statement = update(JobRow).where(JobRow.state == "running", JobRow.deadline < now)
        return list(session.scalars(statement.values(**failure_values(problem, now)).returning(JobRow.id)))


def release_stale(store: JobStore) -> list[str]:
    """Queue running jobs of silent workers again, or fail them if they have no attempts left; return their ids."""
    now = store.clock()
    silent = update(JobRow).where(JobRow.state == "running", JobRow.heartbeat < now - store.stale_after_s)
    with store.sessions.begin() as session:
        exhausted = silent.where(JobRow.attempt >= store.max_attempts)
        failure = failure_values(attempts_exhausted_problem(store.max_attempts), now)
        ids = list(session.scalars(exhausted.values(**failure).returning(JobRow.id)))
        ids += session.scalars(silent.values(**requeue_values(now)).returning(JobRow.id))
    return ids


def release_all(store: JobStore) -> int:
    """Queue every running job again, at a start when no worker can be alive; return their number."""
    with store.sessions.begin() as session:
        statement = update(JobRow).where(JobRow.state == "running").values(**requeue_values(store.clock()))
        return len(session.scalars(statement.returning(JobRow.id)).all())


def list_waiting(store: JobStore, longer_than_s: float, limit: int) -> list[str]:
    """Return the ids of jobs that may start and have waited longer than so many seconds, the oldest first."""
    since = store.clock() - longer_than_s
    query = select(JobRow.id).where(is_waiting(since, CONTRACT)).order_by(JobRow.created_at).limit(limit)
    with store.sessions() as session:
        return list(session.scalars(query))


def list_expired(store: JobStore, retention_s: float, by_tenant: Mapping[str, float] | None = None) -> list[str]:
    """Return the ids of jobs to purge.

    These are jobs that finished longer ago than the retention, and deleted jobs whose attempt must have ended.

    Parameters
    ----------
    store
        The job rows.
    retention_s
        Retention of every tenant that has none of its own, seconds.
    by_tenant
        Retention of other tenants, seconds.
    """
    now = store.clock()
    kept_s = case(dict(by_tenant), value=JobRow.tenant, else_=retention_s) if by_tenant else literal(retention_s)
    last_attempt_ended = now - store.deadline_s
    query = select(JobRow.id).where(
        or_(
            JobRow.state.not_in(OPEN_STATES) & (JobRow.finished_at < now - kept_s),
            (JobRow.state == "deleted") & (JobRow.finished_at < last_attempt_ended),
        )
    )
    with store.sessions() as session:
        return list(session.scalars(query.limit(BATCH_SIZE)))


def purge(store: JobStore, job_id: str) -> None:
    """Remove the row of a finished or deleted job."""
    with store.sessions.begin() as session:
        session.execute(delete(JobRow).where(JobRow.id == job_id, JobRow.state.not_in(OPEN_STATES)))


class Tokens(NamedTuple):
    """The current fencing token of a job, and that of the attempt that fetched its CT."""

    current: int
    ct: int | None


def tokens_of(store: JobStore, job_ids: Iterable[str]) -> dict[str, Tokens]:
    """Return the tokens of each job that has a row."""
    with store.sessions() as session:
        rows = session.execute(select(JobRow.id, JobRow.token, JobRow.ct_token).where(JobRow.id.in_(list(job_ids))))
        return {job_id: Tokens(token, ct_token) for job_id, token, ct_token in rows}

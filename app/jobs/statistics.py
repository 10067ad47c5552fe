"""Figures over the rows, for ``/metrics``."""

from __future__ import annotations

from sqlalchemy import func, select

from app.jobs.rows import JobRow, StageTimeRow, WorkerRow
from app.jobs.store import JobStore


def count_by_state(store: JobStore) -> dict[str, int]:
    """Return the number of jobs in each state."""
    with store.sessions() as session:
        rows = session.execute(select(JobRow.state, func.count()).group_by(JobRow.state))
        return {state: count for state, count in rows}


def run_time_by_state(store: JobStore) -> dict[str, tuple[int, float]]:
    """Return, for each final state, the number of jobs that ran and the sum of their run times (seconds)."""
    span = func.coalesce(func.sum(JobRow.finished_at - JobRow.started_at), 0.0)
    query = (
        select(JobRow.state, func.count(), span)
        .where(JobRow.state.in_(("succeeded", "failed")), JobRow.started_at.is_not(None))
        .group_by(JobRow.state)
    )
    with store.sessions() as session:
        return {state: (count, float(total or 0.0)) for state, count, total in session.execute(query)}


def stage_times(store: JobStore) -> dict[str, tuple[int, float]]:
    """Return for each stage how often it has ended, and the sum of its times (seconds)."""
    with store.sessions() as session:
        rows = session.execute(select(StageTimeRow.stage, StageTimeRow.count, StageTimeRow.seconds))
        return {stage: (count, seconds) for stage, count, seconds in rows}


def queue_age(store: JobStore) -> float:
    """Return how long the oldest queued job waits since its submission, seconds; 0 if none waits."""
    oldest = func.min(JobRow.created_at)
    with store.sessions() as session:
        age = session.scalar(select(store.clock() - oldest).where(JobRow.state == "queued"))
    return max(0.0, float(age or 0.0))


def last_claim(store: JobStore) -> float | None:
    """Return when a worker last began a job, seconds since the epoch; ``None`` if none of those that are known has."""
    with store.sessions() as session:
        return session.scalar(select(func.max(WorkerRow.last_claim)))

"""Figures over all job rows, for ``/metrics``."""

from __future__ import annotations

from sqlalchemy import func, select

from app.jobs.rows import JobRow
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

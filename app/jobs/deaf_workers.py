"""Workers that report but take no jobs, although jobs wait.

A worker can live and yet hear nothing, for example when its connection to the queue hangs. Its reports come from
another process than the one that listens, so only the job rows show it.
"""

from __future__ import annotations

from sqlalchemy import exists, select

from app.jobs.fair_order import is_waiting
from app.jobs.rows import JobRow, WorkerRow
from app.jobs.store import JobStore


def list_deaf(store: JobStore, alive_within_s: float, unclaimed_after_s: float) -> list[str]:
    """Return the names of the workers that hear nothing.

    Parameters
    ----------
    store
        The job rows.
    alive_within_s
        A worker is alive if its last report is at most this old, seconds.
    unclaimed_after_s
        A worker that is alive hears nothing if for this long it ran no job, although one waited that it can read.
    """
    since = store.clock() - unclaimed_after_s
    waits = exists().where(is_waiting(since, WorkerRow.contract))
    has_worked = exists().where((JobRow.worker == WorkerRow.name) & (JobRow.heartbeat > since))
    query = select(WorkerRow.name).where(
        WorkerRow.last_seen > store.clock() - alive_within_s, WorkerRow.ready_at < since, waits, ~has_worked
    )
    with store.sessions() as session:
        return list(session.scalars(query.order_by(WorkerRow.name)))

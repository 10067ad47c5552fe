"""Which jobs of a tenant have changed, for who follows all of them.

A row says when it was queued, and when it ended. Progress has no time, but only few jobs run. So no transition of a job
has to write down that it happened.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, or_, select

from app.jobs.rows import JobRow
from app.jobs.store import JobStore

OVERLAP_S = 10.0
"""A row may become visible so long after its time: the budget of a call to the database. So the last seconds before a
moment are looked at again."""

BATCH = 500
"""Most rows that one look returns."""


@dataclass(frozen=True)
class Changes:
    """The rows that changed, in the order of their times, deleted ones too; and the moment up to which that is all."""

    rows: list[JobRow]
    until: float
    is_all: bool


def changed_jobs(store: JobStore, tenant: str, since: float | None) -> Changes:
    """Return the jobs that run, and those that were queued or ended since a moment of the database's clock, or now.

    Rows of the `OVERLAP_S` before that moment are among them.
    """
    changed_at = func.coalesce(JobRow.finished_at, JobRow.enqueued_at, JobRow.created_at)
    with store.sessions() as session:
        clock = store.clock()
        now = clock if isinstance(clock, float) else session.scalars(select(clock)).one()
        start = (now if since is None else min(since, now)) - OVERLAP_S
        is_changed = or_(JobRow.state == "running", JobRow.enqueued_at >= start, JobRow.finished_at >= start)
        query = select(JobRow, changed_at).where(JobRow.tenant == tenant, is_changed)
        found = session.execute(query.order_by(changed_at, JobRow.id).limit(BATCH)).all()
    rows = [row for row, _ in found]
    if len(found) < BATCH:
        return Changes(rows, now, is_all=True)
    return Changes(rows, min(now, found[-1][1] + OVERLAP_S), is_all=False)

"""Which waiting job a worker takes next.

The tenants take turns: first comes the tenant whose last start of a job is the longest ago, and of its jobs the oldest.
So one tenant's 500 jobs delay another's single job by one run, not by 500.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, func, select
from sqlalchemy.orm import aliased

from app.jobs.clock import Now
from app.jobs.rows import JobRow


def is_waiting(now: Now, contract: int | SQLColumnExpression[int]) -> ColumnElement[bool]:
    """Return the condition of a job that may start now, on a worker that reads parameters up to a contract version.

    After a passing fault a job waits for a while before it may start.
    """
    due = func.coalesce(JobRow.enqueued_at, 0.0) <= now
    return (JobRow.state == "queued") & due & (JobRow.contract <= contract)


def fairest_waiting(now: Now, contract: int) -> Select[str]:
    """Return the query for the id of the job that such a worker starts next, if any waits."""
    served = aliased(JobRow)
    last_start = (
        select(func.coalesce(func.max(served.started_at), 0.0))
        .where(served.tenant == JobRow.tenant)
        .correlate(JobRow)
        .scalar_subquery()
    )
    return (
        select(JobRow.id).where(is_waiting(now, contract)).order_by(last_start, JobRow.created_at, JobRow.id).limit(1)
    )

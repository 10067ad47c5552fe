"""What a job that has not ended has before it: its place in the queue, and about how long it still takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heapreplace
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.jobs.rows import OPEN_STATES, JobRow, WorkerRow
from app.jobs.store import JobStore
from app.jobs.turns import Waiting, in_turn
from app.jobs.typical_times import Done, TypicalTimes, Work, seconds_left, work_of

RECENT = 100
"""Jobs that succeeded last, of which times are taken."""

MOST_OPEN = 2000
"""With more jobs than these open, nothing is told: to order them would cost more than it is worth."""


@dataclass(frozen=True)
class Outlook:
    """Place in the queue, 1 = next, of a job that waits; and about how many seconds it takes from now to its end."""

    place: int | None = None
    seconds_left: float | None = None


UNKNOWN = Outlook()


@dataclass(frozen=True)
class QueueLook:
    """The outlook of each open job by its id, at a moment of the database's clock (s since the epoch)."""

    at: float = 0.0
    outlooks: Mapping[str, Outlook] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenJob:
    """A job that waits or runs. Times in s: since the submission's epoch, and for how long it runs."""

    id: str
    tenant: str
    is_running: bool
    created_at: float
    elapsed_s: float
    stage: str | None
    work: Work


def read_recent(store: JobStore) -> list[Done]:
    """Return the jobs that succeeded last, of all tenants."""
    columns = (JobRow.params, JobRow.mask_sha256, JobRow.ct_size, JobRow.timings)
    query = select(*columns).where(JobRow.state == "succeeded").order_by(JobRow.finished_at.desc()).limit(RECENT)
    with store.sessions() as session:
        rows = session.execute(query).all()
    return [Done(work_of(params, mask is not None, size), timings) for params, mask, size, timings in rows if timings]


def look_at_queue(store: JobStore, recent: Sequence[Done], seen_within_s: float) -> QueueLook:
    """Return the outlooks of the jobs that are open now.

    Parameters
    ----------
    store
        The rows.
    recent
        Jobs from which times are taken.
    seen_within_s
        A worker counts as alive while its last report is at most this old.
    """
    with store.sessions() as session:
        clock = store.clock()
        now = clock if isinstance(clock, float) else session.scalars(select(clock)).one()
        jobs = _open_jobs(session, now)
        if len(jobs) > MOST_OPEN:
            return QueueLook(now)
        tenants = {job.tenant for job in jobs if not job.is_running}
        starts = select(JobRow.tenant, func.max(JobRow.started_at)).where(JobRow.tenant.in_(tenants))
        last_starts = {tenant: start or 0.0 for tenant, start in session.execute(starts.group_by(JobRow.tenant))}
        alive = (WorkerRow.last_seen > now - seen_within_s) & WorkerRow.ready_at.is_not(None)
        workers = session.scalar(select(func.count()).select_from(WorkerRow).where(alive)) or 0
    return QueueLook(now, outlooks(jobs, last_starts, recent, workers))


def _open_jobs(session: Session, now: float) -> list[OpenJob]:
    """Return the jobs that run, and those that may start now; one more than `MOST_OPEN` if there are more."""
    columns: tuple[Any, ...] = (
        JobRow.id, JobRow.tenant, JobRow.state, JobRow.created_at, JobRow.started_at, JobRow.stage, JobRow.params,
        JobRow.mask_sha256, JobRow.ct_size,
    )  # fmt: skip
    is_due = (JobRow.state == "running") | (func.coalesce(JobRow.enqueued_at, 0.0) <= now)
    query = select(*columns).where(JobRow.state.in_(OPEN_STATES), is_due).limit(MOST_OPEN + 1)
    return [
        OpenJob(
            id=row.id,
            tenant=row.tenant,
            is_running=row.state == "running",
            created_at=row.created_at,
            elapsed_s=now - (row.started_at or now),
            stage=row.stage,
            work=work_of(row.params, row.mask_sha256 is not None, row.ct_size),
        )
        for row in session.execute(query)
    ]


def outlooks(
    jobs: Iterable[OpenJob], last_starts: Mapping[str, float], recent: Sequence[Done], workers: int
) -> dict[str, Outlook]:
    """Return the outlook of each open job: those that run go on, and each that waits takes the first free worker."""
    by_id = {job.id: job for job in jobs}
    times = TypicalTimes(recent)
    stages = {job.id: times.stages(job.work) for job in by_id.values()}
    running = {
        job.id: Outlook(None, seconds_left(stages[job.id], job.elapsed_s, job.stage if job.work.levels == 1 else None))
        for job in by_id.values()
        if job.is_running
    }
    waiting = [Waiting(job.id, job.tenant, job.created_at) for job in by_id.values() if not job.is_running]
    order = in_turn(waiting, last_starts)
    runs = [sum(stages[job_id].values()) or None for job_id in order]
    ends = _ends([outlook.seconds_left for outlook in running.values()], runs, workers)
    return running | {
        job_id: Outlook(place, end) for place, (job_id, end) in enumerate(zip(order, ends, strict=True), start=1)
    }


def _ends(running: Sequence[float | None], runs: Sequence[float | None], workers: int) -> list[float | None]:
    """Return in how many seconds each waiting job ends; ``None`` from the first on of which that is not known.

    Parameters
    ----------
    running
        Seconds until each running job ends.
    runs
        Seconds that each waiting job takes, in the order in which they start.
    workers
        Processes that run a job each.
    """
    if workers == 0 or any(left is None for left in running):
        return [None] * len(runs)
    free_in = sorted(left for left in running if left is not None)[:workers]
    free_in += [0.0] * (workers - len(free_in))
    heapify(free_in)
    ends: list[float | None] = []
    for run in runs:
        if run is None:
            break
        ends.append(free_in[0] + run)
        heapreplace(free_in, free_in[0] + run)
    return ends + [None] * (len(runs) - len(ends))

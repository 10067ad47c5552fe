"""What workers write about their work, for ``/metrics``. `app.jobs.statistics` reads it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from app.jobs.rows import STAGE_LENGTH, StageTimeRow, WorkerRow
from app.jobs.store import JobStore


def note_claim(store: JobStore, worker: str) -> None:
    """Record that a worker has begun a job."""
    with store.sessions.begin() as session:
        session.execute(update(WorkerRow).where(WorkerRow.name == worker).values(last_claim=store.clock()))


def note_stages(store: JobStore, timings: Mapping[str, float]) -> None:
    """Add the stages of a job that succeeded, name to seconds, to the sums."""
    for stage, seconds in sorted(timings.items()):  # in one order, so that two workers never wait for each other
        name = stage[:STAGE_LENGTH]
        if not _add(store, name, seconds):
            try:
                with store.sessions.begin() as session:
                    session.execute(insert(StageTimeRow).values(stage=name, count=1, seconds=seconds))
            except IntegrityError:  # another worker was the first at the same moment
                _add(store, name, seconds)


def _add(store: JobStore, stage: str, seconds: float) -> bool:
    """Add one time to the sums of a stage; return whether the stage has a row."""
    statement = (
        update(StageTimeRow)
        .where(StageTimeRow.stage == stage)
        .values(count=StageTimeRow.count + 1, seconds=StageTimeRow.seconds + seconds)
    )
    with store.sessions.begin() as session:
        return session.execute(statement.returning(StageTimeRow.stage)).first() is not None

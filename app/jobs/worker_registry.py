"""The workers that are alive. Each pool process reports itself to the ``workers`` table."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import delete, func, select, update

from app.contract.params import CONTRACT
from app.jobs.rows import WorkerRow
from app.jobs.store import JobStore


@dataclass(frozen=True)
class LoadedBundle:
    """The bundle that a pool process has loaded: its version, and the execution provider of each network."""

    version: str
    providers: dict[str, str]


@dataclass(frozen=True)
class WorkerReport:
    """What a pool process reports about itself; `peak_memory_bytes` is its largest resident memory so far."""

    name: str
    bundle_version: str
    software: dict[str, str]
    providers: dict[str, str] = field(default_factory=dict)
    peak_memory_bytes: int | None = None


@dataclass(frozen=True)
class StartStep:
    """Where the start of a pool process is: a step in words, and how many of how many such steps are done."""

    step: str
    done: int
    total: int


def register(store: JobStore, worker: WorkerReport, starting: StartStep | None = None) -> None:
    """Record that the worker is alive, and where its start is; ``None`` means that it takes jobs."""
    now: Any = store.clock()
    values: dict[str, Any] = {
        "last_seen": now,
        "bundle_version": worker.bundle_version,
        "providers": dict(worker.providers),
        "peak_memory_bytes": worker.peak_memory_bytes,
    }
    values["starting"] = None if starting is None else asdict(starting)
    if starting is None:
        values["ready_at"] = func.coalesce(WorkerRow.ready_at, now)
    with store.sessions.begin() as session:
        statement = update(WorkerRow).where(WorkerRow.name == worker.name).values(**values)
        if session.execute(statement.returning(WorkerRow.name)).first() is not None:
            return
        row = WorkerRow(name=worker.name, bundle_version=worker.bundle_version, contract=CONTRACT)
        row.software, row.providers, row.starting = dict(worker.software), values["providers"], values["starting"]
        row.peak_memory_bytes = worker.peak_memory_bytes
        row.started_at, row.last_seen, row.ready_at = now, now, now if starting is None else None
        session.add(row)


def unregister(store: JobStore, name: str) -> None:
    """Remove a worker that stops normally."""
    with store.sessions.begin() as session:
        session.execute(delete(WorkerRow).where(WorkerRow.name == name))


def list_alive(store: JobStore, within_s: float) -> list[WorkerRow]:
    """Return the workers whose last report is at most ``within_s`` seconds old, those that start among them."""
    with store.sessions() as session:
        query = select(WorkerRow).where(WorkerRow.last_seen > store.clock() - within_s)
        return list(session.scalars(query.order_by(WorkerRow.name)))


def forget_silent(store: JobStore, older_than_s: float) -> None:
    """Remove the workers whose last report is older than ``older_than_s`` seconds."""
    with store.sessions.begin() as session:
        session.execute(delete(WorkerRow).where(WorkerRow.last_seen < store.clock() - older_than_s))

"""``/health``: whether the process is alive, and whether the service can do its work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError

from app.api.problem_details import error_responses
from app.api.services import Services, ServicesDep
from app.contract.errors import NotReady, VertebraError
from app.jobs import worker_registry
from app.jobs.deaf_workers import list_deaf
from app.jobs.schema import check_version, head

BUDGET_S = 3.0
"""How long readiness waits for a part of the service, seconds. Longer would outlast the patience of many probes."""

router = APIRouter(prefix="/health", tags=["operation"])


class Live(BaseModel):
    """The process answers."""

    status: Literal["ok"] = Field(default="ok", description="Always `ok`.")


class Component(BaseModel):
    """State of one thing the service needs."""

    ok: bool = Field(description="Whether the component works.")
    detail: str = Field(description="What is wrong, or `ok`.")


class Starting(BaseModel):
    """Where the start of a pool process is."""

    step: str = Field(description="What it does, in words.", examples=["compiling workers.fem.assembly._add_up"])
    done: int = Field(description="Steps of this kind that are done.")
    total: int = Field(description="Steps of this kind.")


class WorkerState(BaseModel):
    """A pool process that runs jobs."""

    name: str = Field(description="Host and process id.")
    bundle_version: str = Field(description="Version of its model bundle.")
    software: dict[str, str] = Field(description="Versions of its software.")
    providers: dict[str, str] = Field(
        description="Execution provider of ONNX Runtime that each network really has; empty until they are loaded.",
        examples=[{"segmenter.onnx": "CUDAExecutionProvider"}],
    )
    last_seen: datetime = Field(description="Time of its last report, UTC.")
    starting: Starting | None = Field(description="Where its start is; null once it takes jobs.")


class Workers(Component):
    """The component `workers`, with what each has reported."""

    states: list[WorkerState] = Field(exclude=True)


class Ready(BaseModel):
    """The service can take and run jobs."""

    status: Literal["ok"] = Field(default="ok", description="Always `ok`; otherwise the response is a 503.")
    components: dict[str, Component] = Field(description="`database`, `storage`, `broker`, `workers`.")
    workers: list[WorkerState] = Field(description="Workers with a recent report.")


@router.head("/live", include_in_schema=False)  # some load balancers probe with HEAD
@router.get("/live", summary="Liveness")
async def live() -> Live:
    """Answer as long as the process runs. This route checks nothing else, and needs no thread."""
    return Live()


@router.head("/ready", include_in_schema=False)
@router.get("/ready", summary="Readiness", responses=error_responses(NotReady))
async def ready(services: ServicesDep) -> Ready:
    """Check database, version of its tables, storage and queue, and that a worker takes the jobs that wait.

    The answer comes within seconds, and names the part that hangs, if one does.
    """
    database, storage, broker = await asyncio.gather(
        _check(services, "database", lambda: _check_database(services)),
        _check(services, "storage", services.blobs.check),
        _check(services, "broker", services.queue.ping),
    )
    components = {"database": database, "storage": storage, "broker": broker}
    if database.ok:
        components["workers"] = await _check(services, "workers", lambda: _check_workers(services))
    else:
        components["workers"] = Component(ok=False, detail="unknown, because the database does not answer")
    workers = getattr(components["workers"], "states", [])
    missing = [name for name, component in components.items() if not component.ok]
    if missing:
        raise NotReady(
            f"The service is not ready. Not working: {', '.join(missing)}. See `components`.",
            expected="database, storage, broker and at least one worker",
            got=f"not working: {', '.join(missing)}",
            components={name: component.model_dump() for name, component in components.items()},
            workers=[worker.model_dump(mode="json") for worker in workers],
        )
    return Ready(components=components, workers=workers)


def _describe_start(workers: list[WorkerState], within_s: float) -> str:
    """Return why no worker takes jobs."""
    if not workers:
        return f"no worker has reported within {within_s:g} s"
    starts = [(worker.name, worker.starting) for worker in workers if worker.starting]
    return "; ".join(f"{name} is starting: {at.step}, {at.done} of {at.total}" for name, at in starts)


async def _check(services: Services, name: str, check: Callable[[], Component | None]) -> Component:
    """Return the state of a part: what its check returns, or what its error tells."""
    try:
        return await services.probes.ask(name, check, BUDGET_S) or Component(ok=True, detail="ok")
    except TimeoutError:
        return Component(ok=False, detail=f"hangs: no answer within {BUDGET_S:g} s")
    except VertebraError as error:
        return Component(ok=False, detail=error.detail)
    except (SQLAlchemyError, OSError) as error:
        return Component(ok=False, detail=f"does not answer ({type(error).__name__})")


def _check_database(services: Services) -> Component:
    """Return whether the tables fit; a newer release may have upgraded them while this process runs."""
    found = check_version(services.store.engine, may_be_newer=True)
    newer = f"a newer release has brought the tables to revision {found}: replace this process soon"
    return Component(ok=True, detail="ok" if found == head() else newer)


def _check_workers(services: Services) -> Component:
    """Return whether a worker is ready and hears the queue, with the workers. Requests at one time share the answer."""
    settings = services.settings
    workers = _workers(services)
    ready = {worker.name for worker in workers if not worker.starting}
    if not ready:
        return Workers(ok=False, detail=_describe_start(workers, settings.worker_seen_within_s), states=workers)
    deaf = list_deaf(services.store, settings.worker_seen_within_s, settings.unclaimed_after_s)
    if not deaf:
        return Workers(ok=True, detail="ok", states=workers)
    return Workers(
        ok=bool(ready - set(deaf)),
        states=workers,
        detail=f"jobs wait longer than {settings.unclaimed_after_s:g} s and are not taken by: {', '.join(deaf)}",
    )


def _workers(services: Services) -> list[WorkerState]:
    return [
        WorkerState(
            name=row.name,
            bundle_version=row.bundle_version,
            software=row.software,
            providers=row.providers or {},
            last_seen=datetime.fromtimestamp(row.last_seen, UTC),
            starting=None if row.starting is None else Starting.model_validate(row.starting),
        )
        for row in worker_registry.list_alive(services.store, services.settings.worker_seen_within_s)
    ]

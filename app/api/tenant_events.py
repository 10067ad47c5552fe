"""``/v1/events``: each change of any of a tenant's jobs as a server-sent event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from sqlalchemy.exc import SQLAlchemyError

from app.api.auth import AUTH_ERRORS, ReadTenant
from app.api.event_stream import EVENT_STREAM, KEEP_ALIVE, KEEP_ALIVE_S, LONGEST_STREAM_S, RECONNECT, EventStream
from app.api.job_json import job_from_row
from app.api.job_watch import version
from app.api.problem_details import error_responses
from app.api.services import Services, ServicesDep
from app.contract.errors import InvalidParameters, StorageUnavailable, TooManyWaits
from app.jobs.rows import JobRow

router = APIRouter(prefix="/v1", tags=["jobs"])

STREAM_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events named `job`, whose `data` is the job as `GET /v1/jobs/{id}` returns it, and `deleted`, "
        'whose `data` is `{"id": …}`; `id` stands for the moment of the event.',
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    },
    **error_responses(*AUTH_ERRORS, TooManyWaits, InvalidParameters),
}

LOOK_EVERY_S = 1.0
"""Pause between two looks at a tenant's jobs. A look costs a query of its own, other than at a single job."""

MOMENT = r"^\d{1,12}(\.\d{1,6})?$"


@router.get("/events", summary="Follow all jobs", response_class=Response, responses=STREAM_RESPONSES)
async def follow_jobs(
    services: ServicesDep,
    tenant: ReadTenant,
    last_event_id: Annotated[
        str | None,
        Header(alias="Last-Event-ID", pattern=MOMENT, description="`id` of the last event that the client has seen."),
    ] = None,
) -> Response:
    """Send each of your jobs when it is made, and again each time that its state, stage or progress changes.

    A change of its place in the queue alone is no event here, but is one of `GET /v1/jobs/{id}/events`. It begins now;
    `GET /v1/jobs` has what was before. With `Last-Event-ID` it begins there, so a client that was away misses nothing;
    it may get a job again that it has seen. Each event holds the whole job, so that does no harm. A comment comes every
    15 s. The stream ends after 15 minutes; browsers then reconnect by themselves.
    """
    held = ExitStack()
    held.enter_context(services.job_watch.hold(tenant))  # here, so that a refusal is a problem and not a stream
    since = None if last_event_id is None else float(last_event_id)
    return EventStream(_events(services, tenant, since), held)


async def _events(services: Services, tenant: str, since: float | None) -> AsyncIterator[str]:
    begin = last = time.monotonic()
    seen: dict[str, str] | None = None if since is None else {}
    yield RECONNECT
    while (now := time.monotonic()) < begin + LONGEST_STREAM_S:
        pause_s = LOOK_EVERY_S
        with suppress(StorageUnavailable, SQLAlchemyError):  # a database that does not answer for a while is no change
            changes = await services.row_reader.changed(tenant, since)
            known = {row.id: version(row) for row in changes.rows}
            if seen is None:
                yield f"id: {changes.until:.6f}\n\n"  # no event, but the client keeps the moment
                seen = known
            for row in changes.rows:
                if seen.get(row.id) != known[row.id]:
                    last = now
                    yield await _event(services, row, changes.until)
            since, seen = changes.until, known
            pause_s = LOOK_EVERY_S if changes.is_all else 0.0
        if now - last >= KEEP_ALIVE_S:
            last = now
            yield KEEP_ALIVE
        await asyncio.sleep(pause_s)


async def _event(services: Services, row: JobRow, moment: float) -> str:
    if row.state == "deleted":
        return f'id: {moment:.6f}\nevent: deleted\ndata: {{"id": "{row.id}"}}\n\n'
    job = job_from_row(row, services.settings, await services.outlooks.of(row))
    return f"id: {moment:.6f}\nevent: job\ndata: {job.model_dump_json()}\n\n"

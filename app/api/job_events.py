"""``/v1/jobs/{id}/events``: each change of a job as a server-sent event."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from app.api.auth import AUTH_ERRORS, ReadTenant
from app.api.event_stream import EVENT_STREAM, KEEP_ALIVE, KEEP_ALIVE_S, LONGEST_STREAM_S, RECONNECT, EventStream
from app.api.job_json import job_from_row
from app.api.job_watch import Seen, has_ended, version
from app.api.jobs import JobId, job_not_found
from app.api.problem_details import error_responses
from app.api.services import Services, ServicesDep
from app.contract.errors import InvalidParameters, JobNotFound, TooManyWaits
from app.contract.job import JOBS_PATH
from app.jobs import logs
from app.jobs.rows import JobRow

router = APIRouter(prefix=JOBS_PATH, tags=["jobs"])

STREAM_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events named `job`. `data` is the job as `GET /v1/jobs/{id}` returns it; `id` stands for that "
        "state of the job.",
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    },
    204: {"description": "The client has seen the last state of a job that has ended. It should not reconnect."},
    **error_responses(*AUTH_ERRORS, JobNotFound, TooManyWaits, InvalidParameters),
}


@router.get("/{job_id}/events", summary="Follow a job", response_class=Response, responses=STREAM_RESPONSES)
async def follow_job(
    job_id: JobId,
    services: ServicesDep,
    tenant: ReadTenant,
    last_event_id: Annotated[
        str | None,
        Header(alias="Last-Event-ID", max_length=64, description="`id` of the last event that the client has seen."),
    ] = None,
) -> Response:
    """Send the job now, and again each time that it changes; end when the job has ended.

    A change is one of its state, stage, progress or place in the queue. Each event holds the whole job, so a client
    that was away misses nothing: with `Last-Event-ID` it gets the current state at once, unless it has seen it. A
    comment comes every 15 s. The stream ends after 15 minutes; browsers then reconnect by themselves.
    """
    logs.job_id.set(job_id)
    row = await services.row_reader.get(tenant, job_id)
    if row is None:
        raise job_not_found()
    if has_ended(row) and version(row) == last_event_id:
        return Response(status_code=204)
    held = ExitStack()
    held.enter_context(services.job_watch.hold(tenant))  # here, so that a refusal is a problem and not a stream
    events = _events(services, tenant, row, last_event_id)
    return EventStream(events, held)


async def _events(services: Services, tenant: str, row: JobRow, seen: str | None) -> AsyncIterator[str]:
    yield RECONNECT
    end = time.monotonic() + LONGEST_STREAM_S
    async for changed in services.job_watch.changes(tenant, row.id, seen, KEEP_ALIVE_S):
        yield KEEP_ALIVE if changed is None else _event(services, changed)
        if time.monotonic() >= end:
            return


def _event(services: Services, seen: Seen) -> str:
    job = job_from_row(seen.row, services.settings, seen.outlook)
    return f"id: {version(seen.row, seen.outlook.place)}\nevent: job\ndata: {job.model_dump_json()}\n\n"

"""``/v1/jobs``: list, watch and delete jobs. `app.api.submission` submits them."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from app.api import audit
from app.api.auth import AUTH_ERRORS, READ_SECURITY, ReadTenant, SubmitTenant, read_tenant
from app.api.job_json import job_from_row
from app.api.prefer import APPLIED, APPLIED_HEADER, PreferHeader, preferred_wait
from app.api.problem_details import error_responses
from app.api.services import Services, ServicesDep
from app.contract.errors import InvalidParameters, JobNotFound, TooManyWaits
from app.contract.job import EXAMPLE_ID, JOBS_PATH, Job, JobPage, JobState
from app.contract.labels import KEY_PATTERN, MOST_LABELS, VALUE_PATTERN
from app.jobs import logs
from app.jobs.job_filter import JobFilter
from app.jobs.job_ids import JOB_ID, is_job_id
from app.jobs.outlook import Outlook
from app.jobs.rows import JobRow
from app.jobs.settings import Settings
from app.jobs.storage_keys import job_prefix

log = logging.getLogger(__name__)
CURSOR = TypeAdapter(
    tuple[Annotated[float, Field(allow_inf_nan=False)], Annotated[str, Field(pattern=f"^{JOB_ID.pattern}$")]]
)
"""What a cursor holds: ``created_at`` and ``id`` of the last job of a page."""

CURSOR_PATTERN = "^[A-Za-z0-9_-]+={0,2}$"
"""Base64 for URLs (RFC 4648)."""

LabelFilter = Annotated[str, StringConstraints(pattern=f"^{KEY_PATTERN}(={VALUE_PATTERN})?$")]

router = APIRouter(prefix=JOBS_PATH, tags=["jobs"])


def check_job_id(text: str) -> str:
    """Return a job's identifier. Raise `JobNotFound` if the text cannot be one."""
    if not is_job_id(text):
        raise job_not_found()
    return text


AnyJobId = Annotated[str, Path(description="Identifier of the job.", examples=[EXAMPLE_ID])]
"""Not checked before the credential is: without one every path has the same answer."""

JobId = Annotated[AnyJobId, AfterValidator(check_job_id)]


@router.get("", summary="List jobs", responses=error_responses(*AUTH_ERRORS, InvalidParameters))
async def list_jobs(
    services: ServicesDep,
    tenant: ReadTenant,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    retry_of: Annotated[
        str | None,
        Query(pattern=f"^{JOB_ID.pattern}$", description="Only jobs that run the files of this job again."),
    ] = None,
    label: Annotated[
        list[LabelFilter] | None,
        Query(
            max_length=MOST_LABELS,
            description="Only jobs with this label, `key=value`, or with this `key` alone; several: with each of them.",
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Jobs a page.")] = 50,
    cursor: Annotated[
        str | None,
        Query(max_length=200, pattern=CURSOR_PATTERN, description="`next_cursor` of the page before, unchanged."),
    ] = None,
) -> JobPage:
    """Return the client's own jobs, newest first."""
    which = JobFilter(state=state, retry_of=retry_of, labels=tuple(map(_as_label, label or ())))
    find = partial(services.store.list_page, tenant, which, before=_decode_cursor(cursor), limit=limit + 1)
    rows = await run_in_threadpool(find)
    has_more = len(rows) > limit
    outlooks = [await services.outlooks.of(row) for row in rows[:limit]]
    jobs = await run_in_threadpool(_jobs_of, rows[:limit], outlooks, services.settings)
    return JobPage(jobs=jobs, next_cursor=_encode_cursor(rows[limit - 1]) if has_more else None)


@router.get(
    "/{job_id}",
    summary="Watch a job",
    responses={
        200: {"description": "The job.", "headers": APPLIED_HEADER},
        **error_responses(*AUTH_ERRORS, JobNotFound, InvalidParameters),
    },
    openapi_extra=READ_SECURITY,
)
async def get_job(job_id: AnyJobId, request: Request, response: Response, prefer: PreferHeader = None) -> Job:
    """Return the state of a job. Poll it about once a second, or send `Prefer: wait=30`, or follow its events."""
    services: Services = request.app.state.services
    tenant = await read_tenant(request)
    logs.job_id.set(check_job_id(job_id))
    row = await services.row_reader.get(tenant, job_id)
    if row is None:
        raise job_not_found()
    row = await wait_as_preferred(services, row, prefer, response)
    return job_from_row(row, services.settings, await services.outlooks.of(row))


@router.delete(
    "/{job_id}",
    status_code=204,
    summary="Delete a job",
    responses={
        204: {"description": "The job is deleted."},
        **error_responses(*AUTH_ERRORS, JobNotFound, InvalidParameters),
    },
)
def delete_job(job_id: JobId, request: Request, services: ServicesDep, tenant: SubmitTenant) -> None:
    """Delete a job, its input and its results. This cancels a queued or running job."""
    find_job(services, tenant, job_id)
    audit.record(request, services, "delete", job_id)
    if not services.store.delete(tenant, job_id):
        raise job_not_found()
    services.blobs.delete_tree(job_prefix(job_id))
    log.info("job %s deleted", job_id)


def find_job(services: Services, tenant: str, job_id: str) -> JobRow:
    """Return a tenant's job. Raise `JobNotFound` if the tenant has no such job."""
    logs.job_id.set(job_id)
    row = services.store.get(tenant, job_id)
    if row is None:
        raise job_not_found()
    return row


async def wait_as_preferred(services: Services, row: JobRow, prefer: list[str] | None, response: Response) -> JobRow:
    """Return the row when the job has ended, or when the time is over that the client would wait.

    Where too many wait, nobody else does: a preference is no demand.
    """
    seconds = preferred_wait(prefer)
    if seconds is None:
        return row
    with suppress(TooManyWaits), services.job_watch.hold(row.tenant):
        response.headers[APPLIED] = f"wait={seconds}"
        return await services.job_watch.ended(row.tenant, row, seconds)
    return row


def job_not_found() -> JobNotFound:
    """Return the same error for a job that never existed, is deleted, is purged or is another tenant's."""
    return JobNotFound("You have no job with this id. Somebody may have deleted it, or its retention has ended.")


def _jobs_of(rows: Sequence[JobRow], outlooks: Sequence[Outlook], settings: Settings) -> list[Job]:
    """Return the jobs of a page; for a thread: two hundred with long errors take a while to check."""
    return [job_from_row(row, settings, outlook) for row, outlook in zip(rows, outlooks, strict=True)]


def _as_label(text: str) -> tuple[str, str | None]:
    """Return key and value of a label that a client looks for; no value where it takes any."""
    key, equals, value = text.partition("=")
    return key, value if equals else None


def _encode_cursor(row: JobRow) -> str:
    return base64.urlsafe_b64encode(json.dumps([row.created_at, row.id]).encode()).decode()


def _decode_cursor(cursor: str | None) -> tuple[float, str] | None:
    if cursor is None:
        return None
    try:
        return CURSOR.validate_json(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, ValidationError) as error:
        raise InvalidParameters(
            "`cursor` does not come from this server.", expected="a next_cursor", got=cursor[:60]
        ) from error

"""``/v1/jobs``: submit, list, watch and delete jobs."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import uuid
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Header, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from app.api.auth import TenantDep
from app.api.job_schemas import EXAMPLE_ID, JOBS_PATH, Job, JobPage, JobState, job_view
from app.api.problem_details import documented
from app.api.services import Services, ServicesDep
from app.api.uploads import Upload, receive
from app.contract.errors import (
    BrokerUnavailable,
    EmptyUpload,
    IdempotencyConflict,
    InvalidParameters,
    JobNotFound,
    MalformedRequest,
    Unauthorized,
    UploadTooLarge,
)
from app.contract.params import JobParams
from app.jobs.rows import JobRow, job_prefix

log = logging.getLogger(__name__)
router = APIRouter(prefix=JOBS_PATH, tags=["jobs"])

SUBMIT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["ct"],
                    "additionalProperties": False,
                    "properties": {
                        "ct": {
                            "type": "string",
                            "format": "binary",
                            "description": "CT volume, NIfTI (.nii or .nii.gz), in Hounsfield units (HU).",
                        },
                        "mask": {
                            "type": "string",
                            "format": "binary",
                            "description": "Label map of the vertebra, NIfTI, overlapping the CT in world space (mm). "
                            "Required as long as the server has no segmentation model.",
                        },
                        "params": JobParams.model_json_schema()
                        | {"description": "JSON text; every field may be left out."},
                    },
                },
                "encoding": {"params": {"contentType": "application/json"}},
                "examples": {
                    "totalsegmentator": {
                        "summary": "L1 of a TotalSegmentator mask under 500 N",
                        "value": {"ct": "(ct.nii.gz)", "mask": "(mask.nii.gz)", "params": '{"mask_label": 31}'},
                    }
                },
            }
        },
    }
}

LOCATION_HEADER = {"Location": {"description": "Path of the job.", "schema": {"type": "string"}}}

JobId = Annotated[str, Path(description="The job's identifier.", examples=[EXAMPLE_ID])]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Any text unique to this submission. A retry with the same key, files and parameters returns the "
        "job that the first request made instead of a second one.",
    ),
]


@router.post(
    "",
    status_code=202,
    summary="Submit a CT",
    openapi_extra=SUBMIT_BODY,
    responses={
        202: {"description": "Accepted: the job is stored and will run.", "headers": LOCATION_HEADER},
        **documented(
            MalformedRequest,
            EmptyUpload,
            Unauthorized,
            UploadTooLarge,
            InvalidParameters,
            IdempotencyConflict,
            BrokerUnavailable,
        ),
    },
)
async def submit(
    request: Request,
    response: Response,
    services: ServicesDep,
    tenant: TenantDep,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Stream a CT, and a vertebra mask where there is one, to storage and queue a job.

    A 503 `broker_unavailable` has a `job_id` and a `Location`: that job is stored and runs as soon as the queue is
    back, so watch it instead of submitting again.
    """
    job_id = uuid.uuid4().hex
    kept = False
    try:
        upload = await receive(
            request, services.blobs, job_id, services.settings.max_upload_bytes, services.metrics.upload_bytes.inc
        )
        row = await run_in_threadpool(services.store.create, _new_row(job_id, tenant, idempotency_key, upload))
        kept = row.id == job_id
    finally:
        if not kept:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(services.blobs.delete_tree, job_prefix(job_id))
    response.headers["Location"] = f"{JOBS_PATH}/{row.id}"
    if kept:
        await run_in_threadpool(_enqueue, services, row)
    else:
        _check_same(row, upload)
    return job_view(row, services.settings.max_attempts)


@router.get("", summary="List jobs", responses=documented(Unauthorized, InvalidParameters))
def list_jobs(
    services: ServicesDep,
    tenant: TenantDep,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Jobs a page.")] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
) -> JobPage:
    """Return the client's own jobs, newest first."""
    rows = services.store.page(tenant, state=state, before=_decode(cursor), limit=limit + 1)
    more = len(rows) > limit
    jobs = [job_view(row, services.settings.max_attempts) for row in rows[:limit]]
    return JobPage(jobs=jobs, next_cursor=_encode(rows[limit - 1]) if more else None)


@router.get("/{job_id}", summary="Watch a job", responses=documented(Unauthorized, JobNotFound, InvalidParameters))
def get_job(job_id: JobId, services: ServicesDep, tenant: TenantDep) -> Job:
    """Return the state of a job. Poll it about once a second."""
    return job_view(find_job(services, tenant, job_id), services.settings.max_attempts)


@router.delete(
    "/{job_id}",
    status_code=204,
    summary="Delete a job",
    responses={204: {"description": "Gone."}, **documented(Unauthorized, JobNotFound, InvalidParameters)},
)
def delete_job(job_id: JobId, services: ServicesDep, tenant: TenantDep) -> None:
    """Delete a job, its input and its results. A queued or running job is cancelled."""
    if not services.store.delete(tenant, job_id):
        raise job_not_found()
    services.blobs.delete_tree(job_prefix(job_id))
    log.info("job %s deleted", job_id)


def find_job(services: Services, tenant: str, job_id: str) -> JobRow:
    """Return a tenant's job or raise `JobNotFound`."""
    row = services.store.get(tenant, job_id)
    if row is None:
        raise job_not_found()
    return row


def job_not_found() -> JobNotFound:
    """Return the one answer to all of: never existed, deleted, purged, another tenant's."""
    return JobNotFound("No job of yours has this id. It may have been deleted, or its retention has ended.")


def _new_row(job_id: str, tenant: str, key: str | None, upload: Upload) -> JobRow:
    return JobRow(
        id=job_id,
        tenant=tenant,
        idempotency_key=key,
        state="queued",
        percent=0.0,
        attempt=0,
        token=0,
        params=upload.params.model_dump(mode="json"),
        ct_sha256=upload.ct.sha256,
        ct_size=upload.ct.size,
        mask_sha256=upload.mask.sha256 if upload.mask else None,
        mask_size=upload.mask.size if upload.mask else None,
    )


def _enqueue(services: Services, row: JobRow) -> None:
    try:
        services.queue.send(row.id)
    except BrokerUnavailable as error:
        services.store.not_enqueued(row.id)
        log.warning("job %s kept while the queue is away", row.id)
        raise BrokerUnavailable(
            "The queue does not answer, but the job is stored and will run as soon as it does. Do not submit it "
            "again: watch the job at `location`.",
            job_id=row.id,
            location=f"{JOBS_PATH}/{row.id}",
        ) from error
    log.info("job %s accepted", row.id)


def _check_same(row: JobRow, upload: Upload) -> None:
    mask = upload.mask.sha256 if upload.mask else None
    same = (row.ct_sha256, row.mask_sha256, row.params) == (
        upload.ct.sha256, mask, upload.params.model_dump(mode="json"),
    )  # fmt: skip
    if not same:
        raise IdempotencyConflict(
            "The Idempotency-Key was used for a job with other files or parameters. Use a new key.",
            expected="the same files and parameters as before",
            got="different ones",
        )


def _encode(row: JobRow) -> str:
    return base64.urlsafe_b64encode(json.dumps([row.created_at, row.id]).encode()).decode()


def _decode(cursor: str | None) -> tuple[float, str] | None:
    if cursor is None:
        return None
    try:
        created_at, job_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return float(created_at), str(job_id)
    except (binascii.Error, ValueError, TypeError) as error:
        raise InvalidParameters(
            "`cursor` is not one that this server gave out.", expected="a next_cursor", got=cursor[:60]
        ) from error

"""``POST /v1/jobs``: store the upload and the job's row, then queue the job."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Header, Request, Response
from starlette.concurrency import run_in_threadpool

from app.api import audit
from app.api.auth import AUTH_ERRORS, SubmitTenant
from app.api.byte_range import declared_size
from app.api.job_json import job_from_row
from app.api.job_watch import has_ended
from app.api.jobs import wait_as_preferred
from app.api.params_schema import params_schema
from app.api.prefer import APPLIED, APPLIED_HEADER, PreferHeader
from app.api.problem_details import error_responses
from app.api.services import Services, ServicesDep
from app.api.uploads import Destination, Upload, drain, receive
from app.api.webhooks import callback_of
from app.contract.errors import (
    ArchiveNotAllowed,
    BrokerUnavailable,
    EmptyUpload,
    IdempotencyConflict,
    InvalidParameters,
    MalformedRequest,
    RequestError,
    TooManyQueuedJobs,
    TooManyStoredBytes,
    UploadTooLarge,
)
from app.contract.job import JOBS_PATH, Job
from app.contract.labels import LABELS_SCHEMA, LONGEST_KEY, LONGEST_VALUE, MOST_LABELS
from app.contract.params import CONTRACT, JobParams, read_params
from app.jobs import logs, tracing
from app.jobs.ct_reference import reference_of
from app.jobs.job_ids import new_job_id
from app.jobs.rows import NAME_LENGTH, AuditRow, JobRow
from app.jobs.settings import Settings
from app.jobs.storage_keys import job_prefix

log = logging.getLogger(__name__)
router = APIRouter(prefix=JOBS_PATH, tags=["jobs"])

FORM_PARTS: dict[str, Any] = {
    "ct": {
        "type": "string",
        "format": "binary",
        "description": "CT volume in Hounsfield units (HU): NIfTI (.nii or .nii.gz), or a zip of the DICOM files of "
        "one or several series, or one multi-frame DICOM file.",
    },
    "dicom": {
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "description": "Instead of `ct`: the DICOM files of one or several series, each as a part of this name, e.g. "
        "all files of a folder. `input.ct` of the job is then the zip that the service makes of them.",
    },
    "ct_url": {
        "type": "string",
        "description": "Instead of `ct`: DICOMweb address of a study or of a series of it, "
        "`{archive}/studies/{uid}` or `{archive}/studies/{uid}/series/{uid}`. `{archive}` is the address of an archive "
        "that the operator has set up for that, or its name in the settings. A worker fetches the CT series; the job "
        "then has them as if they had been sent.",
    },
    "mask": {
        "type": "string",
        "format": "binary",
        "description": "Label map of the vertebra, overlapping the CT in world space (mm): NIfTI, or a DICOM "
        "segmentation (SEG), of which `mask_label` is the number of a segment. Required if the server's model bundle "
        "has no segmentation networks. An empty part without a file name, as a browser sends it, counts as none.",
    },
    "callback_url": {
        "type": "string",
        "format": "uri",
        "description": "Where the service POSTs a signed message when the job has ended (Standard Webhooks); the "
        "tenant's webhook by default. It needs a secret: `POST /v1/webhook/secret`.",
    },
    "name": {
        "type": "string",
        "maxLength": NAME_LENGTH,
        "description": "By which people tell the job from others, e.g. a number of the study. No data of the patient.",
    },
    "labels": LABELS_SCHEMA
    | {
        "description": 'JSON text, e.g. `{"study": "spine-2026", "ward": "B"}`: texts by which you find the job again, '
        f"`GET /v1/jobs?label=study=spine-2026`. At most {MOST_LABELS}, keys of {LONGEST_KEY} and values of "
        f"{LONGEST_VALUE} characters. No data of the patient.",
    },
    "params": params_schema() | {"description": "JSON text; every field is optional."},
}
MASK_RULES: dict[str, Any] = {
    "if": {"required": ["mask"]},
    "then": {"properties": {"params": {"properties": {"seed_ras_mm": {"type": "null"}}}}},
    "else": {
        "properties": {"params": {"properties": {"mask_label": {"type": "null"}, "mask_convention": {"const": "auto"}}}}
    },
}
"""Which parameters go with a mask and which without (`app.api.uploads.check_mask_params`), as JSON Schema has it."""
ONE_CT: dict[str, Any] = {"not": {"not": {"oneOf": [{"required": [part]} for part in ("ct", "dicom", "ct_url")]}}}
"""One of them. Written as a double negation because generators make a choice of types of a plain `oneOf`."""
FORM_EXAMPLES = {
    "totalsegmentator": {
        "summary": "L1 of a TotalSegmentator mask under 500 N",
        "value": {"ct": "(ct.nii.gz)", "mask": "(mask.nii.gz)", "params": '{"mask_label": 31}'},
    },
    "dicom": {
        "summary": "L1 of a DICOM study",
        "value": {"ct": "(study.zip)", "params": "{}"},
    },
    "archive": {
        "summary": "L1 of a study in the archive `pacs`",
        "value": {"ct_url": "https://pacs.example/dicom-web/studies/1.2.840.99999.1", "params": "{}"},
    },
    "levels": {
        "summary": "Every whole level of a CT, and of each the stress field alone",
        "value": {"ct": "(ct.nii.gz)", "params": '{"vertebra": "all", "results": ["stress.vtu"]}'},
    },
}
SUBMIT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": FORM_PARTS,
                    **MASK_RULES,
                    **ONE_CT,
                },
                "encoding": {name: {"contentType": "application/json"} for name in ("labels", "params")},
                "examples": FORM_EXAMPLES,
            }
        },
    }
}
"""The form in the API description: the framework cannot derive it, because the route reads the body itself."""

LOCATION_HEADER = {"Location": {"description": "Path of the job.", "schema": {"type": "string"}}}

PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
"""Text without control characters; PostgreSQL stores no NUL."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=PRINTABLE,
        description="Any printable text that is unique to this submission. A retry with the same key, files and "
        "parameters returns the job of the first request and makes no second job.",
    ),
]


@router.post(
    "",
    status_code=202,
    summary="Submit a CT",
    openapi_extra=SUBMIT_BODY,
    responses={
        200: {
            "model": Job,
            "description": "With `Prefer: wait=N`: the job has ended.",
            "headers": LOCATION_HEADER | APPLIED_HEADER,
        },
        202: {
            "description": "The gateway has stored the job, and it will run.",
            "headers": LOCATION_HEADER | APPLIED_HEADER,
        },
        **error_responses(
            MalformedRequest,
            EmptyUpload,
            *AUTH_ERRORS,
            ArchiveNotAllowed,
            UploadTooLarge,
            InvalidParameters,
            IdempotencyConflict,
            TooManyQueuedJobs,
            TooManyStoredBytes,
            BrokerUnavailable,
        ),
    },
)
async def submit(
    request: Request,
    response: Response,
    services: ServicesDep,
    tenant: SubmitTenant,
    idempotency_key: IdempotencyKey = None,
    prefer: PreferHeader = None,
) -> Job:
    """Stream a CT, and optionally a mask of the vertebra, to storage and queue a job.

    A 503 `broker_unavailable` has a `job_id` and a `Location`. That job is stored and runs as soon as the queue
    answers again, so watch it and do not submit it again.
    """
    job_id = new_job_id()

    async def store() -> NewJob:
        await check_limits(request, services, tenant, idempotency_key)
        upload = await receive(request, destination(services, job_id, tenant))
        check_deadline(upload.params, services.settings)
        check_server(upload.params, tenant, services.settings)
        callback_url = await run_in_threadpool(callback_of, services, tenant, upload.callback_url)
        upload = replace(upload, callback_url=callback_url)
        new_row = new_job_row(job_id, tenant, idempotency_key, upload)
        source = f"CT from {upload.archived.archive}" if upload.archived else None
        return NewJob(new_row, upload, audit.entry_of(request, "submit", job_id, source))

    row = await accept(services, response, job_id, store())
    row = await wait_as_preferred(services, row, prefer, response)
    if APPLIED in response.headers and has_ended(row):
        response.status_code = 200
    return job_from_row(row, services.settings, await services.outlooks.of(row))


async def check_limits(request: Request, services: Services, tenant: str, idempotency_key: str | None) -> None:
    """Raise an error before the body is read if the tenant may not submit; `JobStore.create` looks again."""
    try:
        await run_in_threadpool(
            services.store.check_limits, tenant, idempotency_key, declared_size(request.headers.get("content-length"))
        )
    except RequestError:
        await drain(request)
        raise


def destination(services: Services, job_id: str, tenant: str) -> Destination:
    """Return where the files of a tenant's new job go."""
    limit, count = services.settings.max_upload_bytes, services.metrics.upload_bytes.inc
    find = partial(reference_of, tenant=tenant, settings=services.settings)
    return Destination(services.blobs, job_id, limit, count, find)


@dataclass(frozen=True)
class NewJob:
    """A job whose files are stored: its row, what it was made of, and its entry of the audit trail."""

    row: JobRow
    upload: Upload
    entry: AuditRow


async def accept(services: Services, response: Response, job_id: str, stored: Awaitable[NewJob]) -> JobRow:
    """Make and queue a job; return its row, or that of the earlier job with its idempotency key.

    Parameters
    ----------
    services
        Those of the gateway.
    response
        Gets the ``Location`` of the job.
    job_id
        The new job. Where it is not made, its files are removed.
    stored
        Stores the files of the new job.

    Raises
    ------
    BrokerUnavailable
        The job is stored, but the queue does not answer.
    IdempotencyConflict
        The earlier job has other files or parameters.
    """
    logs.job_id.set(job_id)
    is_new, may_be_made = False, False
    try:
        new = await stored
        may_be_made = True  # a database whose answer gets lost may have made the row
        row = await run_in_threadpool(services.store.create, new.row, new.entry)
        is_new = may_be_made = row.id == job_id
    except RequestError:
        may_be_made = False
        raise
    finally:
        if not may_be_made:  # the files of this request belong to no job; where nobody knows, the sweeper looks later
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(services.blobs.delete_tree, job_prefix(job_id))
    response.headers["Location"] = services.settings.public_path(f"{JOBS_PATH}/{row.id}")
    logs.job_id.set(row.id)
    if is_new:
        await run_in_threadpool(_enqueue, services, row)
    else:
        _check_same_request(row, new.upload)
    return row


def new_job_row(job_id: str, tenant: str, idempotency_key: str | None, upload: Upload) -> JobRow:
    """Return the row of a new job of an upload."""
    return JobRow(
        id=job_id,
        tenant=tenant,
        idempotency_key=idempotency_key,
        state="queued",
        percent=0.0,
        attempt=0,
        token=0,
        params=upload.params.stored(),
        contract=CONTRACT,
        longest_run_s=upload.params.deadline_s,
        ct_sha256=upload.ct.sha256,
        ct_size=upload.ct.size,
        ct_archive=upload.archived.archive if upload.archived else None,
        ct_reference_sha256=upload.archived.sha256 if upload.archived else None,
        mask_sha256=upload.mask.sha256 if upload.mask else None,
        mask_size=upload.mask.size if upload.mask else None,
        name=upload.name,
        labels=upload.labels or None,
        request_id=logs.request_id.get(),
        traceparent=tracing.traceparent(),
        callback_url=upload.callback_url,
        callback_due=True if upload.callback_url is not None else None,
    )


def check_server(params: JobParams, tenant: str, settings: Settings) -> None:
    """Raise `InvalidParameters` where a job would store to a server that the settings do not give to the tenant."""
    servers = settings.dicomweb_servers_of(tenant)
    if params.store_to is not None and params.store_to not in servers:
        raise InvalidParameters(
            "`store_to` should name a DICOMweb server that the operator has set up for you.",
            expected=f"one of {', '.join(servers)}" if servers else "none: the operator has set up no server for you",
            got=params.store_to,
        )


def check_deadline(params: JobParams, settings: Settings) -> None:
    """Raise `InvalidParameters` if a job asks for a longer run than the server allows."""
    if params.deadline_s is not None and params.deadline_s > settings.job_deadline_s:
        raise InvalidParameters(
            "`deadline_s` is longer than this server lets a job run.",
            expected=f"at most {settings.job_deadline_s} s",
            got=f"{params.deadline_s} s",
        )


def _enqueue(services: Services, row: JobRow) -> None:
    """Send the message of a new job. Raise `BrokerUnavailable`, which names the job, if the queue does not answer."""
    try:
        services.queue.send(row.id)
    except BrokerUnavailable as error:
        log.warning("job %s stays in the database until the queue answers", row.id)
        raise BrokerUnavailable(
            "The queue does not answer, but the job is stored and will run when the queue answers again. Do not submit "
            "it again: watch the job at `location`.",
            job_id=row.id,
            location=services.settings.public_path(f"{JOBS_PATH}/{row.id}"),
        ) from error
    log.info("job %s accepted", row.id)


def _check_same_request(row: JobRow, upload: Upload) -> None:
    """Raise `IdempotencyConflict` if the job of the idempotency key has other files or parameters."""
    mask = upload.mask.sha256 if upload.mask else None
    params = read_params(row.params, row.contract)
    asked_ct = upload.archived.sha256 if upload.archived else upload.ct.sha256
    stored_ct = row.ct_reference_sha256 or row.ct_sha256
    if (stored_ct, row.mask_sha256, params) != (asked_ct, mask, upload.params):
        raise IdempotencyConflict(
            "Another job with other files or parameters has this Idempotency-Key. Use a new key.",
            expected="the same files and parameters as before",
            got="different files or parameters",
        )

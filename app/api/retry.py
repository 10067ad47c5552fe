"""``POST /v1/jobs/{id}/retry``: run the stored files of a job again, with other parameters or a mask of the client."""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from app.api import audit
from app.api.auth import AUTH_ERRORS, SubmitTenant
from app.api.job_json import job_from_row
from app.api.jobs import JobId, find_job, job_not_found
from app.api.params_schema import params_schema
from app.api.problem_details import error_responses
from app.api.services import Services, ServicesDep
from app.api.submission import (
    LOCATION_HEADER,
    IdempotencyKey,
    NewJob,
    accept,
    check_deadline,
    check_limits,
    check_server,
    destination,
    new_job_row,
)
from app.api.text_parts import parse_params
from app.api.uploads import (
    MAX_TEXT_BYTES,
    Archived,
    Destination,
    Upload,
    check_mask_params,
    receive_correction,
)
from app.contract.errors import (
    ArchiveNotAllowed,
    BrokerUnavailable,
    EmptyUpload,
    IdempotencyConflict,
    InvalidParameters,
    JobNotFinished,
    JobNotFound,
    MalformedRequest,
    NotReady,
    TooManyQueuedJobs,
    TooManyStoredBytes,
    UploadTooLarge,
)
from app.contract.job import JOBS_PATH, Job
from app.contract.params import CONTRACT, JobParams, read_params
from app.jobs.blob_writer import BlobInfo
from app.jobs.ct_reference import check_archive
from app.jobs.job_ids import new_job_id
from app.jobs.rows import OPEN_STATES, JobRow
from app.jobs.storage_keys import REFERENCE_PART, ct_key, input_key

router = APIRouter(prefix=JOBS_PATH, tags=["jobs"])

MASK_TELLS = ("seed_ras_mm", "mask_label", "mask_convention")
"""Parameters that belong to the earlier job's own way to find the vertebra: a new mask takes their place."""

CHANGED_PARAMS = params_schema()
RETRY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "description": "Parameters that are other than those of the earlier job, which gives the rest; in a form also "
        "a mask that corrects its outline.",
        "content": {
            "application/json": {
                "schema": CHANGED_PARAMS,
                "examples": {"seed": {"summary": "This vertebra", "value": {"seed_ras_mm": [3.5, -20.0, 310.0]}}},
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["mask"],
                    "additionalProperties": False,
                    "properties": {
                        "mask": {
                            "type": "string",
                            "format": "binary",
                            "description": "Label map of the vertebra, NIfTI or DICOM segmentation, instead of the "
                            "outline or the mask of the earlier job. That job's seed, label and convention do not "
                            "count then.",
                        },
                        "params": CHANGED_PARAMS | {"description": "JSON text; every field is optional."},
                    },
                },
                "encoding": {"params": {"contentType": "application/json"}},
                "examples": {
                    "correction": {
                        "summary": "The right outline",
                        "value": {"mask": "(mask.nii.gz)", "params": '{"vertebra": "L1"}'},
                    }
                },
            },
        },
    }
}


@router.post(
    "/{job_id}/retry",
    status_code=202,
    summary="Run a job again",
    openapi_extra=RETRY_BODY,
    responses={
        202: {"description": "The gateway has stored the new job, and it will run.", "headers": LOCATION_HEADER},
        **error_responses(
            *AUTH_ERRORS,
            ArchiveNotAllowed,
            JobNotFound,
            JobNotFinished,
            MalformedRequest,
            EmptyUpload,
            UploadTooLarge,
            InvalidParameters,
            IdempotencyConflict,
            TooManyQueuedJobs,
            TooManyStoredBytes,
            BrokerUnavailable,
        ),
    },
)
async def retry_job(
    job_id: JobId,
    request: Request,
    response: Response,
    services: ServicesDep,
    tenant: SubmitTenant,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Make a new job of the files of one that has ended. Both jobs then have the files, whichever is deleted first.

    The earlier job stays as it is. With a mask the new job takes that for the outline of the vertebra, and names the
    earlier one in `corrects`.
    """
    earlier = await run_in_threadpool(find_job, services, tenant, job_id)
    _check_ended(earlier)
    new_id = new_job_id()

    async def store() -> NewJob:
        changes = await _read_changes(
            request, services, idempotency_key, earlier, destination(services, new_id, tenant)
        )
        upload = await run_in_threadpool(_same_upload, services, earlier, changes)
        check_deadline(upload.params, services.settings)
        check_server(upload.params, tenant, services.settings)
        check_mask_params(upload)
        await run_in_threadpool(_copy_input, services, earlier, new_id, _parts(upload, changes.mask is None))
        new_row = new_job_row(new_id, tenant, idempotency_key, upload)
        new_row.retry_of = job_id
        new_row.corrects = job_id if changes.mask is not None else None
        return NewJob(new_row, upload, audit.entry_of(request, "retry", new_id, f"of {job_id}"))

    row = await accept(services, response, new_id, store())
    return job_from_row(row, services.settings, await services.outlooks.of(row))


@dataclass(frozen=True)
class _Changes:
    """What a retry has otherwise than the earlier job: parameters by name, and the mask that it sends."""

    params: dict[str, Any]
    mask: BlobInfo | None = None


async def _read_changes(
    request: Request, services: Services, idempotency_key: str | None, earlier: JobRow, to: Destination
) -> _Changes:
    """Return the changes in a request's body, a form or JSON; a mask is then in storage."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return _Changes(await _read_json(request))
    await check_limits(request, services, earlier.tenant, idempotency_key)
    mask, params = await receive_correction(request, to)
    return _Changes(json.loads(params.removeprefix(codecs.BOM_UTF8) or b"{}"), mask)


async def _read_json(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request's body, empty if it has none."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_TEXT_BYTES:
            raise InvalidParameters(
                "The parameters are too long.", expected=f"at most {MAX_TEXT_BYTES} bytes", got="more"
            )
    try:
        changes = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        changes = None
    if not isinstance(changes, dict):
        raise InvalidParameters("The body is not a JSON object.", expected="a JSON object", got="something else")
    return changes


def _check_ended(earlier: JobRow) -> None:
    """Raise `JobNotFinished` if the job is open, and `NotReady` if this release cannot read its parameters."""
    if earlier.state in OPEN_STATES:
        raise JobNotFinished(
            "The job has not ended. Wait for it, or cancel it first.",
            expected="a job that has ended",
            got=earlier.state,
        )
    if earlier.contract > CONTRACT:
        raise NotReady("A newer release accepted this job, and this gateway cannot read its parameters yet. Try again.")


def _same_upload(services: Services, earlier: JobRow, changes: _Changes) -> Upload:
    """Return the upload of a job that has ended, with its files and parameters but for the changes."""
    before = read_params(earlier.params, earlier.contract)
    stored, mask = before.stored(), changes.mask
    if mask is not None:
        stored = {name: value for name, value in stored.items() if name not in MASK_TELLS}
    elif earlier.mask_sha256 is not None and earlier.mask_size is not None:
        mask = BlobInfo(earlier.mask_size, earlier.mask_sha256)
    changed = parse_params(json.dumps(stored | changes.params).encode())
    ct, archived = BlobInfo(earlier.ct_size, earlier.ct_sha256), None
    if earlier.ct_archive is not None and earlier.ct_reference_sha256 is not None:
        archived = Archived(earlier.ct_archive, earlier.ct_reference_sha256)
        if ct.sha256 == archived.sha256 or _other_series(before, changed):
            check_archive(archived.archive, earlier.tenant, services.settings)
            ct = BlobInfo(_size_of_reference(services, earlier), archived.sha256)
    return Upload(
        changed.for_upload(mask is not None),
        ct,
        mask,
        earlier.callback_url,
        earlier.name,
        earlier.labels or {},
        archived,
    )


def _other_series(before: JobParams, changed: JobParams) -> bool:
    """Whether a job asks for a series that was not fetched from the archive: of a job that states one no other was."""
    return before.series_uid is not None and changed.series_uid != before.series_uid


def _size_of_reference(services: Services, earlier: JobRow) -> int:
    try:
        return services.blobs.size(input_key(earlier.id, REFERENCE_PART))
    except FileNotFoundError as error:
        raise job_not_found() from error


def _parts(upload: Upload, with_mask: bool) -> list[str]:
    """Return the input files of the earlier job that the new one has."""
    parts = [REFERENCE_PART] if upload.archived else []
    if upload.archived is None or upload.ct.sha256 != upload.archived.sha256:
        parts.append("ct")
    return [*parts, "mask"] if with_mask and upload.mask is not None else parts


def _copy_input(services: Services, earlier: JobRow, new_id: str, parts: list[str]) -> None:
    """Give the new job the files of the earlier one. Raise `JobNotFound` if somebody deletes them meanwhile."""
    try:
        for part in parts:
            source = ct_key(earlier.id, earlier.ct_token) if part == "ct" else input_key(earlier.id, part)
            services.blobs.copy(source, input_key(new_id, part))
    except FileNotFoundError as error:
        raise job_not_found() from error

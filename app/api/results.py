"""``/v1/jobs/{id}/results``: the files that a job has published."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from app.api import audit
from app.api.auth import AUTH_ERRORS, ReadTenant
from app.api.byte_range import parse_range
from app.api.etags import matches_etag
from app.api.jobs import JobId, find_job
from app.api.problem_details import error_responses
from app.api.published_files import blob_of, find_file, published_files
from app.api.result_links import FileTenant
from app.api.result_names import ResultName, download_name
from app.api.services import ServicesDep
from app.contract.errors import (
    InvalidParameters,
    JobNotFinished,
    JobNotFound,
    LinkRefused,
    RangeNotSatisfiable,
    ResultNotFound,
)
from app.contract.job import JOBS_PATH
from app.contract.result_files import MEDIA_TYPES
from app.contract.result_list import Result, ResultList
from app.jobs.rows import Json

router = APIRouter(prefix=JOBS_PATH, tags=["results"])

INLINE_TYPES = ("image/png", "text/html", "application/json", "application/pdf")
"""Media types that a browser shows; it downloads the others."""

HTML_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; frame-ancestors 'self'"
)
"""A result page may run its own scripts, but it does not get this server's origin or the network."""

PDF_POLICY = "script-src 'none'; frame-ancestors 'none'"
"""A browser shows a PDF in a viewer of its own, which some build of elements that a stricter policy forbids."""

FILE_PATH = "/{job_id}/results/{name:result}"
LIST_ERRORS = (*AUTH_ERRORS, JobNotFound, JobNotFinished, InvalidParameters)
BINARY = {"type": "string", "format": "binary"}
FILE_TYPES = ["application/octet-stream", *dict.fromkeys(kind.partition(";")[0] for kind in MEDIA_TYPES.values())]
"""Those of the results, after one by which every program knows that the answer is bytes."""
FILE_CONTENT = {kind: {"schema": BINARY} for kind in FILE_TYPES}
FILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": FILE_CONTENT},
    206: {"description": "The requested range of the file.", "content": FILE_CONTENT},
    304: {"description": "Unchanged: `If-None-Match` holds the current ETag."},
    **error_responses(*LIST_ERRORS, LinkRefused, ResultNotFound, RangeNotSatisfiable),
}


@router.get("/{job_id}/results", summary="List results", responses=error_responses(*LIST_ERRORS))
def list_results(job_id: JobId, services: ServicesDep, tenant: ReadTenant) -> ResultList:
    """Return name, media type, size, hash and URL of every file that the job has published.

    A succeeded job has all its results. A failed job has the pictures that explain why it was refused, if there are
    any.
    """
    row = find_job(services, tenant, job_id)
    folder = services.settings.public_path(f"{JOBS_PATH}/{row.id}/results")
    return ResultList(
        job_id=row.id,
        results=[Result(**entry, url=f"{folder}/{entry['name']}") for entry in published_files(row)],
        zip_url=f"{folder}.zip",
    )


@router.head(FILE_PATH, summary="Look at a result", response_class=Response, responses=FILE_RESPONSES)
@router.get(FILE_PATH, summary="Download a result", response_class=Response, responses=FILE_RESPONSES)
def get_result(
    job_id: JobId,
    name: ResultName,
    request: Request,
    services: ServicesDep,
    tenant: FileTenant,
    if_none_match: Annotated[str | None, Header(description="ETags that the client has.")] = None,
    range_: Annotated[str | None, Header(alias="Range", description="One byte range, `bytes=first-last`.")] = None,
    if_range: Annotated[str | None, Header(description="Use `Range` only if this is the current ETag.")] = None,
) -> Response:
    """Return a result file, or one byte range of it, to who sends a credential or has a signed link.

    The ETag is the file's SHA-256.
    """
    row = find_job(services, tenant, job_id)
    entry = find_file(row, name)
    headers = _headers(entry)
    if matches_etag(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    size = int(entry["size"])
    requested = None
    if range_ is not None and if_range in (None, headers["ETag"]):
        requested = parse_range(range_, size)
    start, length = requested or (0, size)
    headers["Content-Length"] = str(length)
    if requested:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    status = 206 if requested else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=entry["media_type"])
    audit.record(request, services, "read", job_id, name)
    body = services.blobs.read(blob_of(services, row, entry), start, length)
    return StreamingResponse(body, status, headers=headers, media_type=entry["media_type"])


def _headers(entry: Json) -> dict[str, str]:
    media_type = entry["media_type"].partition(";")[0]
    disposition = "inline" if media_type in INLINE_TYPES else "attachment"
    headers = {
        "ETag": f'"{entry["sha256"]}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'{disposition}; filename="{download_name(entry["name"])}"',
    }
    if policy := {"text/html": HTML_POLICY, "application/pdf": PDF_POLICY}.get(media_type):
        headers["Content-Security-Policy"] = policy
    return headers

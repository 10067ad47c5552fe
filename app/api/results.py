"""``/v1/jobs/{id}/results``: the files a job has published."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import StreamingResponse

from app.api.auth import TenantDep
from app.api.job_schemas import JOBS_PATH
from app.api.jobs import JobId, find_job
from app.api.problem_details import documented
from app.api.result_schemas import Result, ResultList
from app.api.services import ServicesDep
from app.contract.errors import (
    InvalidParameters,
    JobNotFinished,
    JobNotFound,
    RangeNotSatisfiable,
    ResultNotFound,
    StorageUnavailable,
    Unauthorized,
)
from app.jobs.rows import JobRow, Json, results_prefix

router = APIRouter(prefix=JOBS_PATH, tags=["results"])

INLINE_TYPES = ("image/png", "text/html", "application/json")
# A result page runs its own scripts, without this server's origin and without a network.
HTML_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; frame-ancestors 'self'"
)
RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")

NOT_YET = (Unauthorized, JobNotFound, JobNotFinished, InvalidParameters)
BINARY = {"type": "string", "format": "binary"}
FILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"application/octet-stream": {"schema": BINARY}}},
    206: {"description": "The range of the file that was asked for."},
    304: {"description": "Unchanged: `If-None-Match` holds the current ETag."},
    **documented(*NOT_YET, ResultNotFound, RangeNotSatisfiable),
}


@router.get("/{job_id}/results", summary="List results", responses=documented(*NOT_YET))
def list_results(job_id: JobId, services: ServicesDep, tenant: TenantDep) -> ResultList:
    """Return name, media type, size, hash and URL of every result of a succeeded job."""
    row = find_job(services, tenant, job_id)
    return ResultList(
        job_id=row.id,
        results=[Result(**entry, url=f"{JOBS_PATH}/{row.id}/results/{entry['name']}") for entry in _manifest(row)],
    )


@router.head("/{job_id}/results/{name}", summary="Look at a result", response_class=Response, responses=FILE_RESPONSES)
@router.get("/{job_id}/results/{name}", summary="Download a result", response_class=Response, responses=FILE_RESPONSES)
def get_result(
    job_id: JobId,
    name: Annotated[str, Path(description="File name of the result.", examples=["stress.vtu"])],
    request: Request,
    services: ServicesDep,
    tenant: TenantDep,
    if_none_match: Annotated[str | None, Header(description="ETags the client has.")] = None,
    range_: Annotated[str | None, Header(alias="Range", description="One byte range, `bytes=first-last`.")] = None,
    if_range: Annotated[str | None, Header(description="Honour `Range` only if this is the current ETag.")] = None,
) -> Response:
    """Return a result file, or one byte range of it. The ETag is the file's SHA-256."""
    row = find_job(services, tenant, job_id)
    entry = next((entry for entry in _manifest(row) if entry["name"] == name), None)
    if entry is None:
        names = ", ".join(entry["name"] for entry in _manifest(row))
        raise ResultNotFound("The job has no result of this name.", expected=f"one of {names}", got=name[:100])
    headers = _headers(entry)
    if _matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    size = int(entry["size"])
    span = None
    if range_ is not None and if_range in (None, headers["ETag"]):
        span = parse_range(range_, size)
    start, length = span or (0, size)
    headers["Content-Length"] = str(length)
    if span:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    status = 206 if span else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=entry["media_type"])
    key = f"{results_prefix(row.id, row.token)}/{name}"
    try:
        services.blobs.size(key)  # an error must come before the first byte
    except FileNotFoundError as error:
        raise StorageUnavailable("The file is listed but not on storage; the operator must look.") from error
    body: Iterator[bytes] = services.blobs.read(key, start, length)
    return StreamingResponse(body, status, headers=headers, media_type=entry["media_type"])


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return start and length (bytes) of a single range; ``None`` when the header is to be ignored (RFC 9110)."""
    match = RANGE.match(header.replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    if start >= size or stop <= start:
        raise RangeNotSatisfiable(
            "The range lies outside the file.", expected=f"bytes within 0-{size - 1}", got=header[:60], size=size
        )
    return start, stop - start


def _manifest(row: JobRow) -> list[Json]:
    if row.state != "succeeded" or row.results is None:
        raise JobNotFinished(
            "Results exist once the job has succeeded. Watch its state.", expected="succeeded", got=row.state
        )
    return row.results


def _headers(entry: Json) -> dict[str, str]:
    kind = entry["media_type"].partition(";")[0]
    disposition = "inline" if kind in INLINE_TYPES else "attachment"
    headers = {
        "ETag": f'"{entry["sha256"]}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'{disposition}; filename="{entry["name"]}"',
    }
    if kind == "text/html":
        headers["Content-Security-Policy"] = HTML_POLICY
    return headers


def _matches(header: str | None, etag: str) -> bool:
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag in tags

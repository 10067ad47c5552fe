"""``/v1/jobs/{id}/results.zip``: every file that a job has published, as one download."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from app.api import audit
from app.api.auth import AUTH_ERRORS, PrincipalDep, ReadTenant
from app.api.etags import matches_etag
from app.api.jobs import JobId, find_job
from app.api.problem_details import error_responses
from app.api.published_files import blob_of, published_files
from app.api.result_links import ARCHIVE_NAME, USUAL_LINK_S, FileTenant, LinkSeconds, SignedLink, sign_link
from app.api.services import Services, ServicesDep
from app.api.zip_stream import ZipEntry, stream_zip
from app.contract.errors import InvalidParameters, JobNotFinished, JobNotFound, LinkRefused, StorageUnavailable
from app.contract.job import JOBS_PATH
from app.jobs.rows import JobRow, Json

router = APIRouter(prefix=JOBS_PATH, tags=["results"])

CHECKSUMS = "SHA256SUMS"
"""Name in the archive of the list of sums, as `sha256sum --check` reads it."""
MEDIA_TYPE = "application/zip"
ERRORS = (*AUTH_ERRORS, JobNotFound, JobNotFinished, InvalidParameters)
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The archive.", "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "Unchanged: `If-None-Match` holds the current ETag."},
    **error_responses(*ERRORS, LinkRefused),
}


@router.head("/{job_id}/results.zip", summary="Look at all results", response_class=Response, responses=RESPONSES)
@router.get("/{job_id}/results.zip", summary="Download all results", response_class=Response, responses=RESPONSES)
def get_archive(
    job_id: JobId,
    request: Request,
    services: ServicesDep,
    tenant: FileTenant,
    if_none_match: Annotated[str | None, Header(description="ETags that the client has.")] = None,
) -> Response:
    """Return every file that the job has published as one ZIP file, to who sends a credential or has a signed link.

    Names are those of the list of results, with the folders of levels. `SHA256SUMS` in it holds the sums of that list.
    The archive is made while it is sent: its size is not known before, and it has no byte ranges.
    """
    row = find_job(services, tenant, job_id)
    entries = published_files(row)
    headers = {
        "ETag": _etag(entries),
        "Accept-Ranges": "none",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{job_id[:8]}-results.zip"',
    }
    if matches_etag(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return Response(headers=headers, media_type=MEDIA_TYPE)
    audit.record(request, services, "read", job_id, ARCHIVE_NAME)
    for entry in entries:  # what is lost should be a problem, not an archive that ends early
        blob_of(services, row, entry)
    body = stream_zip(_contents(services, row, entries), row.finished_at or row.created_at)
    return StreamingResponse(body, headers=headers, media_type=MEDIA_TYPE)


@router.post(
    "/{job_id}/results.zip/link",
    status_code=201,
    summary="Make a link to all results",
    responses={201: {"description": "The link is made."}, **error_responses(*ERRORS)},
)
def make_archive_link(
    job_id: JobId,
    request: Request,
    services: ServicesDep,
    tenant: ReadTenant,
    principal: PrincipalDep,
    lasts_s: LinkSeconds = USUAL_LINK_S,
) -> SignedLink:
    """Return a signed link to the archive of all results. It ends as the link to one result does."""
    published_files(find_job(services, tenant, job_id))
    audit.record(request, services, "make_link", job_id, ARCHIVE_NAME)
    return sign_link(services, principal, (job_id, ARCHIVE_NAME), lasts_s)


def _contents(services: Services, row: JobRow, entries: list[Json]) -> Iterator[ZipEntry]:
    sums = "".join(f"{entry['sha256']}  {entry['name']}\n" for entry in entries)
    yield ZipEntry(CHECKSUMS, [sums.encode()])
    for entry in entries:
        yield ZipEntry(entry["name"], _checked(services.blobs.read(blob_of(services, row, entry)), entry))


def _checked(chunks: Iterable[bytes], entry: Json) -> Iterator[bytes]:
    """Yield a file's bytes. Raise `StorageUnavailable` at their end if they are not those that were published."""
    sha256 = hashlib.sha256()
    for chunk in chunks:
        sha256.update(chunk)
        yield chunk
    if sha256.hexdigest() != entry["sha256"]:
        raise StorageUnavailable(f"The storage has other bytes of {entry['name']} than the job published.")


def _etag(entries: list[Json]) -> str:
    """Return a weak ETag: another zlib may compress the same files to other bytes."""
    text = "".join(f"{entry['sha256']} {entry['name']}\n" for entry in entries)
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()}"'

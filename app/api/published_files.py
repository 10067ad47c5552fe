"""The files that a job has published, from its row."""

from __future__ import annotations

from app.api.services import Services
from app.contract.errors import JobNotFinished, ResultNotFound, StorageUnavailable
from app.jobs.rows import JobRow, Json
from app.jobs.storage_keys import results_prefix


def published_files(row: JobRow) -> list[Json]:
    """Return name, media type, size and SHA-256 of every file. Raise `JobNotFinished` if there are none."""
    if row.results is not None:  # the UPDATE that ended the job set them
        return row.results
    if row.state == "cancelled":
        raise JobNotFinished("The job was cancelled, so it has no files.", expected="a job with files", got=row.state)
    if row.state == "failed":
        raise JobNotFinished(
            "The job failed and left no files. Its `error` says why.", expected="a job with files", got=row.state
        )
    raise JobNotFinished(
        "A job has results once it has succeeded. Watch its state.", expected="succeeded", got=row.state
    )


def find_file(row: JobRow, name: str) -> Json:
    """Return the entry of one file. Raise `ResultNotFound` if the job has published no file of this name."""
    files = {entry["name"]: entry for entry in published_files(row)}
    if name not in files:
        raise ResultNotFound(
            "The job has no result of this name.", expected=f"one of {', '.join(files)}", got=name[:100]
        )
    return files[name]


def blob_of(services: Services, row: JobRow, entry: Json) -> str:
    """Return the key of a published file's bytes. Raise `StorageUnavailable` if the storage does not have them."""
    key = f"{results_prefix(row.id, row.token)}/{entry['name']}"
    try:
        services.blobs.size(key)
    except FileNotFoundError as error:
        raise StorageUnavailable(
            "The job lists this file, but the storage does not have it. The operator must look for the cause."
        ) from error
    return key

"""The files that a job has published, from its row."""

from __future__ import annotations

from app.contract.errors import JobNotFinished, ResultNotFound
from app.jobs.rows import JobRow, Json


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

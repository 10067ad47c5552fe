"""What a webhook says: that a job has ended and where it is. It holds no data of the patient and no result."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from app.jobs.rows import JobRow, Json


def job_ended(job: JobRow, public_path: Callable[[str], str]) -> Json:
    """Return the message about a job that has ended; ``public_path`` is `Settings.public_path`."""
    path = public_path(f"/v1/jobs/{job.id}")
    error = None
    if job.error is not None:
        error = {"type": public_path(job.error["type"])} | {name: job.error.get(name) for name in ("title", "status")}
    return {
        "type": f"job.{job.state}",
        "timestamp": _time(job.finished_at),
        "data": {
            "job_id": job.id,
            "state": job.state,
            "attempt": job.attempt,
            "created_at": _time(job.created_at),
            "finished_at": _time(job.finished_at),
            "error": error,
            "links": {
                "self": path,
                "results": None if job.results is None else f"{path}/results",
                "page": public_path(f"/jobs/{job.id}"),
            },
        },
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()

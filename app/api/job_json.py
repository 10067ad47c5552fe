"""From the row of a job to its JSON, which clients receive."""

from __future__ import annotations

import math

from app.api.times import utc
from app.contract.job import JOBS_PATH, InputFile, Job, JobInput, JobLinks
from app.contract.params import LEVELS, read_params
from app.jobs.outlook import UNKNOWN, Outlook
from app.jobs.rows import JobRow, Json
from app.jobs.settings import Settings


def job_from_row(row: JobRow, settings: Settings, outlook: Outlook = UNKNOWN) -> Job:
    """Return the JSON of a job from its row, and from what an open job has before it where somebody looked."""
    path = settings.public_path(f"{JOBS_PATH}/{row.id}")
    mask = None
    if row.mask_sha256 is not None and row.mask_size is not None:
        mask = InputFile(size=row.mask_size, sha256=row.mask_sha256)
    return Job.model_validate(
        {
            "id": row.id,
            "name": row.name,
            "labels": row.labels or {},
            "state": row.state,
            "stage": row.stage,
            "level": row.level,
            "vertebra": row.found_level,
            "levels_done": _levels_done(row.results or []),
            "percent": row.percent,
            "queue_place": outlook.place,
            "seconds_left": None if outlook.seconds_left is None else math.ceil(outlook.seconds_left),
            "attempt": row.attempt,
            "max_attempts": settings.max_attempts,
            "created_at": utc(row.created_at),
            "started_at": utc(row.started_at),
            "finished_at": utc(row.finished_at),
            "retry_of": row.retry_of,
            "corrects": row.corrects,
            "params": read_params(row.params, row.contract),
            "input": JobInput(ct=InputFile(size=row.ct_size, sha256=row.ct_sha256), mask=mask, archive=row.ct_archive),
            "timings": row.timings or {},
            "warnings": row.warnings,
            "bundle_version": row.bundle_version,
            "error": None if row.error is None else _public(row.error, settings),
            "callback_url": row.callback_url,
            "request_id": row.request_id,
            "links": JobLinks(
                self=path,
                results=None if row.results is None else f"{path}/results",
                page=settings.public_path(f"/jobs/{row.id}"),
            ),
        }
    )


def _levels_done(results: list[Json]) -> list[str] | None:
    """Return the levels that have a report in a folder of their own."""
    folders = {
        name.partition("/")[0] for name in (result["name"] for result in results) if name.endswith("/report.json")
    }
    return [level for level in LEVELS if level in folders] or None


def _public(problem: Json, settings: Settings) -> Json:
    """Return a problem as clients see it, with the path prefix in its type and in those of the levels it lists."""
    shown = problem | {"type": settings.public_path(problem["type"])}
    if "levels" in problem:
        shown["levels"] = [level | {"problem": _public(level["problem"], settings)} for level in problem["levels"]]
    return shown

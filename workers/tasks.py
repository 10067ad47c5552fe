"""The only Celery task: run the pipeline for the job whose turn it is.

The queue may deliver a message twice, and workers may die, so the job row decides. `JobStore.claim_next` starts an
attempt and returns a fencing token. The row accepts what this process writes only while that token is current.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind
from sqlalchemy.exc import SQLAlchemyError

from app.contract.errors import InternalError, StorageUnavailable, VertebraError
from app.contract.params import JobParams, Vertebra
from app.jobs import logs, tracing
from app.jobs.attempts import Claim
from app.jobs.settings import TASK_NAME, Settings
from app.jobs.store import JobStore
from workers import measurements
from workers.attempt_ends import conclude, fail, retry_later
from workers.attempt_files import discard, fetch_input, upload
from workers.attempt_watch import AttemptWatch, FencedOut, Interrupted
from workers.celery_app import app
from workers.corrections import keep_correction, reports_of
from workers.dicom_store import store_results
from workers.level_folder import in_order
from workers.memory_limit import as_out_of_memory
from workers.presence import job_store, worker_name
from workers.scratch import scratch_folder
from workers.stopping import is_stopping

if TYPE_CHECKING:
    from workers.pipeline import PipelineResult

log = logging.getLogger(__name__)

PICTURES = "*.png"
"""Files in the pipeline's folder that are published with an error, so that a person sees what was refused."""

PROGRESS_EVERY_S = 0.25
"""Shortest time between two updates of the row within one stage."""


@app.task(name=TASK_NAME)
def run_job(job_id: str) -> None:
    """Run one attempt of the job whose turn it is.

    Parameters
    ----------
    job_id
        Id of the job that caused the message. Another job's turn may come first; the message only wakes the worker.
    """
    if is_stopping():
        return
    claim = job_store().claim_next(worker_name())
    if claim is None:
        log.info("a message for job %s: no job waits", job_id)
        return
    about = {"vertebra.job_id": claim.job_id, "vertebra.attempt": claim.attempt}
    parent = tracing.parent_of(claim.traceparent)
    with logs.about(claim.request_id, claim.job_id), tracing.span("job", SpanKind.CONSUMER, parent, about):
        _run(claim)


def _run(claim: Claim) -> None:
    """Run the attempt to its end, whatever that is."""
    measurements.note_claim(job_store(), worker_name())
    log.info("job %s: attempt %d starts", claim.job_id, claim.attempt)
    begin = time.perf_counter()
    _run_attempt(claim)
    log.info("job %s: attempt %d ended after %.1f s", claim.job_id, claim.attempt, time.perf_counter() - begin)


def _run_attempt(claim: Claim) -> None:
    """Run an attempt and write to the row how it ended."""
    limits = (Settings().heartbeat_s, claim.longest_run_s)
    try:
        with (
            scratch_folder() as folder,
            AttemptWatch(job_store(), claim, folder, limits, lambda reason: conclude(claim, reason)) as watch,
        ):
            _attempt(claim, folder, watch)
    except Interrupted as reason:
        conclude(claim, reason)
        if isinstance(reason, FencedOut):
            discard(claim)
    except (StorageUnavailable, SQLAlchemyError):
        log.exception("job %s: the storage or the database failed", claim.job_id)
        retry_later(claim, "The file storage or the database did not answer.")
    except VertebraError as error:
        log.info("job %s fails: %s", claim.job_id, error.slug)
        fail(claim, error)
    except Exception as error:
        log.exception("job %s: unexpected error", claim.job_id)
        if memory := as_out_of_memory(error):
            fail(claim, memory)
        elif isinstance(error, OSError) and error.errno is not None:  # the operating system's: a full disk, say
            retry_later(claim, f"The worker could not read or write its files: {error.strerror}.")
        else:
            fail(claim, InternalError("An unexpected error happened. The log has it under the job's id."))


def _attempt(claim: Claim, folder: Path, watch: AttemptWatch) -> None:
    """Download the input, run the pipeline, and publish the results."""
    from workers import pipeline  # heavy, so only the pool process imports it

    store = job_store()
    progress = _Progress(claim, store, watch)
    progress("fetch", 0.0)
    ct, mask = fetch_input(claim, folder)
    out = folder / "out"
    out.mkdir()
    try:
        params = JobParams.model_validate(claim.params)
        result = pipeline.run_pipeline(ct, mask, params, out, progress)
    except VertebraError as error:
        pictures = in_order(path.relative_to(out) for path in out.rglob(PICTURES))
        if not pictures:
            raise
        _publish_failure(claim, store, error, out, pictures)
        return
    progress("publish", 99.0)
    stored = store_results(params.store_to, [file.path for file in result.files], Settings())
    _publish(claim, store, replace(result, warnings=[*result.warnings, *stored]))
    if claim.corrects is not None and mask is not None:
        folder_of_cases, reports = Settings().corrections_dir, reports_of(result.files)
        keep_correction(folder_of_cases, claim.job_id, (ct, mask), reports, result.converted)


class _Progress:
    """The callback of the pipeline: records stage and percent; raises `Interrupted` once the attempt must not go on.

    It is cheap enough for a loop: within a stage of a level it writes the row at most once in `PROGRESS_EVERY_S`.
    """

    def __init__(self, claim: Claim, store: JobStore, watch: AttemptWatch) -> None:
        self._claim = claim
        self._store = store
        self._watch = watch
        self._stages: dict[Vertebra | None, str] = {}
        self._written = 0.0

    def __call__(self, stage: str, percent: float, level: Vertebra | None = None, /) -> None:
        """Record the current stage, the progress of the whole job in percent, and the level, of a job with several."""
        self._watch.check()
        now = time.monotonic()
        if stage == self._stages.get(level) and now - self._written < PROGRESS_EVERY_S:
            return
        self._stages[level], self._written = stage, now
        if not self._store.progress(self._claim.job_id, self._claim.token, stage, percent, level):
            raise FencedOut


def _publish(claim: Claim, store: JobStore, result: PipelineResult) -> None:
    """Upload the files, then make all of them visible by one UPDATE that checks the token."""
    begin = time.perf_counter()
    manifest = [upload(claim, file.path, file.name, file.media_type) for file in result.files]
    timings = {stage: round(seconds, 3) for stage, seconds in result.timings.items()}
    timings["publish"] = round(time.perf_counter() - begin, 3)
    published = store.succeed(
        claim.job_id,
        claim.token,
        results=manifest,
        timings=timings,
        bundle_version=result.bundle_version,
        warnings=result.warnings,
        found_level=result.level,
    )
    if not published:
        raise FencedOut
    measurements.note_stages(store, timings)
    log.info("job %s: published, %s", claim.job_id, timings)


def _publish_failure(claim: Claim, store: JobStore, error: VertebraError, out: Path, pictures: list[Path]) -> None:
    """Upload the pictures in `out`, then record the problem and show them by one UPDATE that checks the token."""
    manifest = [upload(claim, out / path, path.as_posix(), "image/png") for path in pictures]
    problem = error.problem() | {"pictures": [path.as_posix() for path in pictures]}
    if not store.fail(claim.job_id, claim.token, problem, manifest):
        raise FencedOut
    log.info("job %s fails: %s, with %d pictures", claim.job_id, error.slug, len(pictures))

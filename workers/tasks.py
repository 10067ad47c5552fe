"""The one task: run the pipeline for a job id.

Delivery is at least once and workers die, so the job row decides: `claim` starts an attempt and hands out a fencing
token, and whatever this process writes afterwards counts only while that token is current.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import SQLAlchemyError

from app.contract.errors import DeadlineExceeded, InternalError, StorageUnavailable, VertebraError
from app.contract.params import JobParams
from app.jobs.rows import Json
from app.jobs.settings import TASK_NAME, Settings
from app.jobs.storage_keys import input_key, results_prefix
from app.jobs.store import Claim, JobStore
from workers.celery_app import app
from workers.presence import blob_store, job_store, worker_name
from workers.scratch import scratch_folder

if TYPE_CHECKING:
    from workers.pipeline import PipelineResult

log = logging.getLogger(__name__)

PROGRESS_EVERY_S = 0.25


class _FencedOut(Exception):
    """The attempt is no longer the current one: cancelled, overdue, or taken for dead."""


@app.task(name=TASK_NAME)
def run_job(job_id: str) -> None:
    """Run one attempt of a job.

    Parameters
    ----------
    job_id
        The job; everything else is in its row.
    """
    claim = job_store().claim(job_id, worker_name())
    if claim is None:
        log.info("job %s: nothing to start", job_id)
        return
    log.info("job %s: attempt %d", job_id, claim.attempt)
    begin = time.perf_counter()
    try:
        with scratch_folder() as folder, _heartbeat(claim) as fenced:
            _attempt(claim, folder, fenced)
    except _FencedOut:
        log.info("job %s: attempt %d is no longer wanted", job_id, claim.attempt)
        _discard(claim)
    except (StorageUnavailable, SQLAlchemyError):
        log.exception("job %s: storage or database went away", job_id)
        _release(claim)
    except SoftTimeLimitExceeded:
        _fail(claim, _too_slow(Settings().job_deadline_s))
    except VertebraError as error:
        log.info("job %s: %s", job_id, error.slug)
        _fail(claim, error)
    except Exception:
        log.exception("job %s: unforeseen", job_id)
        _fail(
            claim, InternalError("Something unforeseen happened. The operator finds it in the log under the job's id.")
        )
    log.info("job %s: attempt %d ended after %.1f s", job_id, claim.attempt, time.perf_counter() - begin)


def _attempt(claim: Claim, folder: Path, fenced: threading.Event) -> None:
    """Fetch the input, compute, and publish."""
    from workers import pipeline  # heavy: loaded by the pool process, not by the one that supervises it

    store = job_store()
    progress = _Progress(claim, store, fenced)
    progress("fetch", 0.0)
    ct, mask = _fetch(claim, folder)
    out = folder / "out"
    out.mkdir()
    result = pipeline.run_pipeline(ct, mask, JobParams.model_validate(claim.params), out, progress)
    progress("publish", 99.0)
    _publish(claim, store, result)


class _Progress:
    """The callback of the pipeline: records stage and percent, and raises once the attempt is fenced out.

    Cheap enough to call in a loop: within a stage the row is written a few times a second at most.
    """

    def __init__(self, claim: Claim, store: JobStore, fenced: threading.Event) -> None:
        self._claim = claim
        self._store = store
        self._fenced = fenced
        self._stage = ""
        self._written = 0.0

    def __call__(self, stage: str, percent: float) -> None:
        """Report that ``stage`` is under way and ``percent`` of the whole job is done."""
        if self._fenced.is_set():
            raise _FencedOut
        now = time.monotonic()
        if stage == self._stage and now - self._written < PROGRESS_EVERY_S:
            return
        self._stage, self._written = stage, now
        if not self._store.progress(self._claim.job_id, self._claim.token, stage, percent):
            raise _FencedOut


def _fetch(claim: Claim, folder: Path) -> tuple[Path, Path | None]:
    ct = folder / "ct"
    blob_store().fetch(input_key(claim.job_id, "ct"), ct)
    if not claim.has_mask:
        return ct, None
    mask = folder / "mask"
    blob_store().fetch(input_key(claim.job_id, "mask"), mask)
    return ct, mask


def _publish(claim: Claim, store: JobStore, result: PipelineResult) -> None:
    """Upload aside, then make everything visible by one UPDATE that holds the token."""
    prefix = results_prefix(claim.job_id, claim.token)
    manifest: list[Json] = []
    begin = time.perf_counter()
    for file in result.files:
        info = blob_store().put_file(f"{prefix}/{file.name}", file.path)
        manifest.append({"name": file.name, "media_type": file.media_type, "size": info.size, "sha256": info.sha256})
    timings = {stage: round(seconds, 3) for stage, seconds in result.timings.items()}
    timings["publish"] = round(time.perf_counter() - begin, 3)
    published = store.succeed(
        claim.job_id, claim.token, results=manifest, timings=timings, bundle_version=result.bundle_version
    )
    if not published:
        raise _FencedOut
    log.info("job %s: published, %s", claim.job_id, timings)


@contextmanager
def _heartbeat(claim: Claim) -> Iterator[threading.Event]:
    """Keep the row's heartbeat fresh; the event is set once the attempt is fenced out."""
    fenced, done = threading.Event(), threading.Event()

    def beat() -> None:
        while not done.wait(Settings().heartbeat_s):
            try:
                if not job_store().heartbeat(claim.job_id, claim.token):
                    fenced.set()
                    return
            except SQLAlchemyError as error:
                log.warning("job %s: no heartbeat (%s)", claim.job_id, type(error).__name__)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield fenced
    finally:
        done.set()
        thread.join(5.0)


def _fail(claim: Claim, error: VertebraError) -> None:
    """Say why the job ended; when the database is away the reconciler will start it again."""
    try:
        if not job_store().fail(claim.job_id, claim.token, error.problem()):
            log.info("job %s: attempt %d is no longer wanted", claim.job_id, claim.attempt)
        _discard(claim)
    except SQLAlchemyError:
        log.exception("job %s: could not record its end", claim.job_id)


def _release(claim: Claim) -> None:
    try:
        job_store().release(claim.job_id, claim.token)
    except SQLAlchemyError:
        log.warning("job %s: left to the reconciler", claim.job_id)


def _discard(claim: Claim) -> None:
    """Remove what this attempt uploaded."""
    try:
        blob_store().delete_tree(results_prefix(claim.job_id, claim.token))
    except StorageUnavailable:
        log.warning("job %s: files of attempt %d left to the sweep", claim.job_id, claim.attempt)


def _too_slow(limit_s: int) -> DeadlineExceeded:
    return DeadlineExceeded(
        "The computation took too long and was stopped. Try a smaller field of view.",
        expected=f"at most {limit_s} s",
        got="a longer run",
    )

"""The only Celery task: run the pipeline for a job id.

The queue may deliver an id twice, and workers may die, so the job row decides. `JobStore.claim` starts an attempt and
returns a fencing token. The row accepts what this process writes only while that token is current.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING

from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import SQLAlchemyError

from app.contract.errors import DeadlineExceeded, InternalError, StorageUnavailable, VertebraError
from app.contract.params import JobParams
from app.jobs import logs
from app.jobs.settings import TASK_NAME, Settings
from app.jobs.store import Claim, JobStore
from workers.attempt_files import discard, fetch_input, upload
from workers.celery_app import app
from workers.presence import job_store, worker_name
from workers.scratch import scratch_folder

if TYPE_CHECKING:
    from workers.pipeline import PipelineResult

log = logging.getLogger(__name__)

PICTURES = "*.png"
"""Files in the pipeline's folder that are published with an error, so that a person sees what was refused."""

PROGRESS_EVERY_S = 0.25
"""Shortest time between two updates of the row within one stage."""


class _FencedOut(Exception):
    """The attempt no longer holds the current token: the job was deleted, was overdue, or went to another worker."""


@app.task(name=TASK_NAME)
def run_job(job_id: str) -> None:
    """Run one attempt of a job.

    Parameters
    ----------
    job_id
        Id of the job; its row has everything else.
    """
    claim = job_store().claim(job_id, worker_name())
    if claim is None:
        log.info("job %s: the job must not start", job_id)
        return
    with logs.about(claim.request_id, job_id):
        _run(claim)


def _run(claim: Claim) -> None:
    """Run the attempt to its end, whatever that is."""
    job_id = claim.job_id
    log.info("job %s: attempt %d starts", job_id, claim.attempt)
    begin = time.perf_counter()
    try:
        with scratch_folder() as folder, _heartbeat(claim) as fenced:
            _attempt(claim, folder, fenced)
    except _FencedOut:
        log.info("job %s: attempt %d is fenced out", job_id, claim.attempt)
        discard(claim)
    except (StorageUnavailable, SQLAlchemyError):
        log.exception("job %s: the storage or the database failed", job_id)
        _release(claim)
    except SoftTimeLimitExceeded:
        _fail(claim, _too_slow(Settings().job_deadline_s))
    except VertebraError as error:
        log.info("job %s fails: %s", job_id, error.slug)
        _fail(claim, error)
    except Exception:
        log.exception("job %s: unexpected error", job_id)
        _fail(
            claim, InternalError("An unexpected error happened. The operator finds it in the log under the job's id.")
        )
    log.info("job %s: attempt %d ended after %.1f s", job_id, claim.attempt, time.perf_counter() - begin)


def _attempt(claim: Claim, folder: Path, fenced: threading.Event) -> None:
    """Download the input, run the pipeline, and publish the results."""
    from workers import pipeline  # heavy, so only the pool process imports it

    store = job_store()
    progress = _Progress(claim, store, fenced)
    progress("fetch", 0.0)
    ct, mask = fetch_input(claim, folder)
    out = folder / "out"
    out.mkdir()
    try:
        result = pipeline.run_pipeline(ct, mask, JobParams.model_validate(claim.params), out, progress)
    except VertebraError as error:
        pictures = sorted(out.glob(PICTURES), key=lambda path: (len(path.name), path.name))  # …-2 before …-10
        if not pictures:
            raise
        _publish_failure(claim, store, error, pictures)
        return
    progress("publish", 99.0)
    _publish(claim, store, result)


class _Progress:
    """The callback of the pipeline: records stage and percent, and raises `_FencedOut` once the attempt is fenced out.

    It is cheap enough for a loop: within a stage it writes the row at most once in `PROGRESS_EVERY_S`.
    """

    def __init__(self, claim: Claim, store: JobStore, fenced: threading.Event) -> None:
        self._claim = claim
        self._store = store
        self._fenced = fenced
        self._stage = ""
        self._written = 0.0

    def __call__(self, stage: str, percent: float) -> None:
        """Record the current stage and the progress of the whole job in percent."""
        if self._fenced.is_set():
            raise _FencedOut
        now = time.monotonic()
        if stage == self._stage and now - self._written < PROGRESS_EVERY_S:
            return
        self._stage, self._written = stage, now
        if not self._store.progress(self._claim.job_id, self._claim.token, stage, percent):
            raise _FencedOut


def _publish(claim: Claim, store: JobStore, result: PipelineResult) -> None:
    """Upload the files, then make all of them visible by one UPDATE that checks the token."""
    begin = time.perf_counter()
    manifest = [upload(claim, file.path, file.name, file.media_type) for file in result.files]
    timings = {stage: round(seconds, 3) for stage, seconds in result.timings.items()}
    timings["publish"] = round(time.perf_counter() - begin, 3)
    published = store.succeed(
        claim.job_id, claim.token, results=manifest, timings=timings, bundle_version=result.bundle_version
    )
    if not published:
        raise _FencedOut
    log.info("job %s: published, %s", claim.job_id, timings)


def _publish_failure(claim: Claim, store: JobStore, error: VertebraError, pictures: list[Path]) -> None:
    """Upload the pictures, then record the problem and make them visible by one UPDATE that checks the token."""
    manifest = [upload(claim, path, path.name, "image/png") for path in pictures]
    problem = error.problem() | {"pictures": [path.name for path in pictures]}
    if not store.fail(claim.job_id, claim.token, problem, manifest):
        raise _FencedOut
    log.info("job %s fails: %s, with %d pictures", claim.job_id, error.slug, len(pictures))


@contextmanager
def _heartbeat(claim: Claim) -> Iterator[threading.Event]:
    """Update the row's heartbeat in a thread. Set the event once the attempt is fenced out."""
    fenced, done = threading.Event(), threading.Event()

    def beat() -> None:
        while not done.wait(Settings().heartbeat_s):
            try:
                if not job_store().heartbeat(claim.job_id, claim.token):
                    fenced.set()
                    return
            except SQLAlchemyError as error:
                log.warning("job %s: cannot write the heartbeat (%s)", claim.job_id, type(error).__name__)

    thread = threading.Thread(target=copy_context().run, args=(beat,), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield fenced
    finally:
        done.set()
        thread.join(5.0)


def _fail(claim: Claim, error: VertebraError) -> None:
    """Record why the job failed, without files. Without a database the reconciler starts the job again later."""
    try:
        if job_store().fail(claim.job_id, claim.token, error.problem()):
            discard(claim)
        else:  # it may hold published files, so they are left to the reconciler
            log.info("job %s: attempt %d has ended or is fenced out", claim.job_id, claim.attempt)
    except SQLAlchemyError:
        log.exception("job %s: cannot record that it failed", claim.job_id)


def _release(claim: Claim) -> None:
    try:
        job_store().release(claim.job_id, claim.token)
    except SQLAlchemyError:
        log.warning("job %s: cannot queue it again; the reconciler will", claim.job_id)


def _too_slow(limit_s: int) -> DeadlineExceeded:
    return DeadlineExceeded(
        "The computation took too long, so the worker stopped it. Try a smaller field of view.",
        expected=f"at most {limit_s} s",
        got="a longer run",
    )

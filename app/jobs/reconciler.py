"""The reconciler: makes the promise of a 202 true whatever died in between.

Every few seconds it ends overdue jobs, gives jobs of silent workers back, sends ids the queue may have lost, and
purges what retention no longer keeps; more rarely it sweeps storage for files that belong to nobody. Every step is
one conditional UPDATE or an idempotent deletion, so any number of gateways may run it at once.
"""

from __future__ import annotations

import logging
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from app.contract.errors import Unavailable
from app.jobs import row_maintenance, worker_registry
from app.jobs.blobs import BlobStore
from app.jobs.queue import JobQueue
from app.jobs.rows import job_prefix
from app.jobs.settings import Settings
from app.jobs.store import JobStore

log = logging.getLogger(__name__)

FORGET_WORKERS_AFTER_S = 24 * 3600.0


class Reconciler:
    """Runs `tick` and `sweep` in a background thread."""

    def __init__(self, settings: Settings, store: JobStore, blobs: BlobStore, queue: JobQueue) -> None:
        self._settings = settings
        self._store = store
        self._blobs = blobs
        self._queue = queue
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ask the thread to end and wait for it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def tick(self) -> None:
        """One round over the rows."""
        for job_id in row_maintenance.end_overdue(self._store):
            log.warning("job %s ended: past its deadline", job_id)
        for job_id in row_maintenance.release_stale(self._store):
            log.warning("job %s taken from a silent worker", job_id)
        self._send_waiting()
        for job_id in row_maintenance.list_expired(self._store, self._settings.retention_hours * 3600):
            row_maintenance.purge(self._store, job_id)
            self._blobs.delete_tree(job_prefix(job_id))
            log.info("job %s purged", job_id)
        worker_registry.forget_silent(self._store, FORGET_WORKERS_AFTER_S)

    def sweep(self) -> None:
        """Remove files of crashed uploads and of attempts that were fenced out."""
        job_ids = self._blobs.folders("jobs")
        current = row_maintenance.current_tokens(self._store, job_ids)
        for job_id in job_ids:
            if job_id in current:
                self._drop_old_attempts(job_id, current[job_id])
            elif self._blobs.last_change(job_prefix(job_id)) < time.time() - self._settings.orphan_after_s:
                self._blobs.delete_tree(job_prefix(job_id))
                log.info("job %s has files but no row: files removed", job_id)

    def _send_waiting(self) -> None:
        for item in row_maintenance.list_waiting(self._store, self._settings.requeue_after_s):
            if not row_maintenance.reserve_sending(self._store, item):
                continue
            try:
                self._queue.send(item.job_id)
            except Unavailable:
                self._store.not_enqueued(item.job_id)
                raise
            log.info("job %s enqueued", item.job_id)

    def _drop_old_attempts(self, job_id: str, token: int) -> None:
        for folder in self._blobs.folders(job_prefix(job_id)):
            _, is_results, suffix = folder.partition("results-")
            if is_results and suffix.isdigit() and int(suffix) < token:
                self._blobs.delete_tree(f"{job_prefix(job_id)}/{folder}")

    def _run(self) -> None:
        next_sweep = 0.0
        while not self._stop.is_set():
            try:
                self.tick()
                if time.monotonic() >= next_sweep:
                    self.sweep()
                    next_sweep = time.monotonic() + self._settings.sweep_every_s
            except (Unavailable, SQLAlchemyError) as error:
                log.warning("reconciler waits: %s", type(error).__name__)
            except Exception:
                log.exception("reconciler round failed")
            self._stop.wait(self._settings.reconcile_every_s)

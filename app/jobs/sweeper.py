"""The sweeper: removes jobs whose retention has ended, and files that belong to no job.

It works in a thread of its own and in slices, so that no amount of files delays the reconciler. Each step may be
repeated, so many gateways may sweep at the same time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from app.contract.errors import Unavailable
from app.jobs import row_maintenance
from app.jobs.audit import AuditTrail
from app.jobs.blobs import BlobStore
from app.jobs.job_ids import is_job_id
from app.jobs.settings import Settings
from app.jobs.storage_keys import FETCHED_FOLDER, JOBS_PREFIX, RESULTS_FOLDER, job_prefix
from app.jobs.store import JobStore

Item = TypeVar("Item")

log = logging.getLogger(__name__)

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

SLICE = 200
"""Folders that the sweeper looks up in one query. Between two slices it looks whether it should stop."""

DELETING_THREADS = 8
"""Folders deleted at the same time. The removal of one waits for the file system or S3: of 1,000 local folders one
thread removed 115 a second, four 2,000, eight 3,000."""


class Sweeper:
    """Runs `purge_expired` and `sweep_storage` in a background thread."""

    def __init__(self, settings: Settings, store: JobStore, blobs: BlobStore) -> None:
        self._settings = settings
        self._store = store
        self._blobs = blobs
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ask the thread to end and wait for it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def purge_expired(self) -> None:
        """Remove rows and files of the jobs whose retention has ended."""
        by_tenant = {tenant: hours * HOUR_S for tenant, hours in self._settings.tenant_retention_hours.items()}
        expired = row_maintenance.list_expired(self._store, self._settings.retention_hours * HOUR_S, by_tenant)
        for job_ids in _slices(expired):
            if self._stop.is_set():
                return
            self._in_parallel(self._purge, job_ids)

    def sweep_storage(self) -> None:
        """Remove the files of uploads that crashed and of attempts that were fenced out."""
        for folders in _slices(self._blobs.folders(JOBS_PREFIX)):
            if self._stop.is_set():
                return
            current = row_maintenance.tokens_of(self._store, filter(is_job_id, folders))
            self._in_parallel(self._remove_old_attempts, current.items())
            removed = self._in_parallel(self._remove_orphan, [name for name in folders if name not in current])
            if removed:
                log.info("%d folders of files belonged to no job and are removed", removed)

    def forget_audit(self) -> None:
        """Remove the entries of the audit trail whose retention has ended."""
        forgotten = AuditTrail(self._store.engine).forget(self._settings.audit_retention_days * DAY_S)
        if forgotten:
            log.info("%d entries of the audit trail are older than its retention and are removed", forgotten)

    def _purge(self, job_id: str) -> bool:
        row_maintenance.purge(self._store, job_id)
        self._blobs.delete_tree(job_prefix(job_id))
        log.info("job %s purged", job_id)
        return True

    def _remove_orphan(self, folder: str) -> bool:
        """Remove the files of no job, unless they are so young that an upload may still be under way."""
        oldest = time.time() - self._settings.orphan_after_s
        if self._blobs.last_change(job_prefix(folder)) >= oldest:
            return False
        self._blobs.delete_tree(job_prefix(folder))
        return True

    def _remove_old_attempts(self, job: tuple[str, row_maintenance.Tokens]) -> bool:
        """Remove the files of every attempt of a job (id and tokens) but the current one, and the CT that it has."""
        job_id, tokens = job
        for folder in self._blobs.folders(job_prefix(job_id)):
            kind, dash, suffix = folder.rpartition("-")
            if kind + dash not in (RESULTS_FOLDER, FETCHED_FOLDER) or not suffix.isdigit():
                continue
            is_ct = kind + dash == FETCHED_FOLDER and int(suffix) == tokens.ct
            if int(suffix) < tokens.current and not is_ct:
                self._blobs.delete_tree(f"{job_prefix(job_id)}/{folder}")
        return True

    def _in_parallel(self, remove: Callable[[Item], bool], items: Iterable[Item]) -> int:
        """Call a function for each item, in `DELETING_THREADS` threads; return how often it returned true."""
        with ThreadPoolExecutor(DELETING_THREADS, thread_name_prefix="sweeper") as threads:
            return sum(threads.map(remove, items))

    def _run(self) -> None:
        next_sweep = 0.0
        while not self._stop.is_set():
            try:
                self.purge_expired()
                if time.monotonic() >= next_sweep:
                    self.sweep_storage()
                    self.forget_audit()
                    next_sweep = time.monotonic() + self._settings.sweep_every_s
            except (Unavailable, SQLAlchemyError) as error:
                log.warning("the sweeper waits for the next round: %s", type(error).__name__)
            except Exception:
                log.exception("a round of the sweeper failed")
            self._stop.wait(self._settings.reconcile_every_s)


def _slices(names: list[str]) -> Iterator[list[str]]:
    for begin in range(0, len(names), SLICE):
        yield names[begin : begin + SLICE]

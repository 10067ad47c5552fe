"""The reconciler: keeps the promise of a 202 after any process has died.

Every few seconds it fails overdue jobs, queues the jobs of silent workers again, and sends the messages that the queue
has lost. Each step is one conditional UPDATE, or a message that may be sent twice, so many gateways may run it at the
same time. It touches no files: see `app.jobs.sweeper`.
"""

from __future__ import annotations

import logging
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from app.contract.errors import Unavailable
from app.jobs import row_maintenance, worker_registry
from app.jobs.queue import JobQueue
from app.jobs.settings import Settings
from app.jobs.store import JobStore

log = logging.getLogger(__name__)

FORGET_WORKERS_AFTER_S = 24 * 3600.0
"""Age at which the row of a worker that ended without notice is removed; readiness ignores it much earlier."""

MESSAGE_TAKES_S = 1.0
"""A job that waits longer than this should have a message in the queue, seconds; a gateway sends it in milliseconds."""

MESSAGES_A_ROUND = 50
"""Most messages that one round sends. Workers take fewer in that time, and the next round sends the rest."""


class Reconciler:
    """Runs `check_rows` in a background thread."""

    def __init__(self, settings: Settings, store: JobStore, queue: JobQueue) -> None:
        self._settings = settings
        self._store = store
        self._queue = queue
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_round: float | None = None
        self._rounds_since = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ask the thread to end and wait for it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def check_rows(self) -> None:
        """Do one round over the rows."""
        for job_id in row_maintenance.end_overdue(self._store):
            log.warning("job %s failed: it ran past its deadline", job_id)
        released = row_maintenance.release_stale(self._store) if self._may_judge_silence() else []
        for job_id in released:
            log.warning("job %s taken from a worker that is silent", job_id)
        worker_registry.forget_silent(self._store, FORGET_WORKERS_AFTER_S)
        self._wake_workers(released)

    def _may_judge_silence(self) -> bool:
        """Return whether a worker that wrote no heartbeat is silent, and not the database.

        It is the worker if this reconciler's own rounds went through for as long without a pause.
        """
        now = time.monotonic()
        if self._last_round is None or now - self._last_round > self._store.stale_after_s / 2:
            self._rounds_since = now
        self._last_round = now
        return now - self._rounds_since >= self._store.stale_after_s

    def _wake_workers(self, released: list[str]) -> None:
        """Send a message for each job that was just released, and those that the queue has lost.

        The queue should hold as many messages as jobs wait. A message too many does no harm: the worker that gets it
        finds no job. A job that has just been accepted is left out, because its message may be on its way.
        """
        waiting = row_maintenance.list_waiting(self._store, MESSAGE_TAKES_S, limit=MESSAGES_A_ROUND)
        missing = max(len(waiting) - self._queue.length(), 0) if waiting else 0
        for job_id in released + waiting[:missing]:
            self._queue.send(job_id)
        if missing:
            log.info("%d jobs waited without a message in the queue: sent again", missing)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.check_rows()
            except (Unavailable, SQLAlchemyError) as error:
                log.warning("the reconciler waits for the next round: %s", type(error).__name__)
            except Exception:
                log.exception("a round of the reconciler failed")
            self._stop.wait(self._settings.reconcile_every_s)

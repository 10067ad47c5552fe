"""A worker that hears nothing restarts itself.

The process that listens to the queue can hang while its pool processes live. A pool process sees from the job rows that
jobs wait and that it gets none. It then ends the worker, and whoever started the worker starts it again.
"""

from __future__ import annotations

import logging
import os
import signal
import time

from app.contract.errors import BrokerUnavailable
from app.jobs.deaf_workers import list_deaf
from app.jobs.queue import JobQueue
from app.jobs.settings import Settings
from app.jobs.store import JobStore

log = logging.getLogger(__name__)

STOP_WITHIN_S = 5.0
"""A worker that hangs may not obey SIGTERM, so it is killed this much later, seconds."""


def hears_nothing(store: JobStore, settings: Settings, name: str) -> bool:
    """Return whether jobs wait and messages lie in the queue, but the worker of that name takes none."""
    if name not in list_deaf(store, settings.worker_seen_within_s, settings.unclaimed_after_s):
        return False
    queue = JobQueue(settings)
    try:
        return queue.length() > 0
    except BrokerUnavailable:
        return False  # the queue is away, and a new worker would hear no more than this one
    finally:
        queue.close()


def restart_worker() -> None:
    """End the process that supervises this pool process, and with it this one."""
    log.error("jobs wait and this worker gets none of them: it restarts")
    parent = os.getppid()
    os.kill(parent, signal.SIGTERM)
    time.sleep(STOP_WITHIN_S)
    if os.getppid() == parent:
        os.kill(parent, signal.SIGKILL)
    os._exit(1)

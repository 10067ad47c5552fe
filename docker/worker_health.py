"""Health check of a worker container: exit status 0 if one of its pool processes reports, and hears the queue.

Celery's own ``inspect ping`` needs remote control, which is off, and does not check the pool process.
"""

from __future__ import annotations

import socket
import sys

from app.jobs import worker_registry
from app.jobs.deaf_workers import list_deaf
from app.jobs.settings import Settings
from app.jobs.store import open_store


def main() -> int:
    """Look for this host among the workers that report and take the jobs that wait; return the exit status."""
    settings = Settings()
    store = open_store(settings)
    names = [row.name for row in worker_registry.list_alive(store, settings.worker_seen_within_s)]
    deaf = set(list_deaf(store, settings.worker_seen_within_s, settings.unclaimed_after_s))
    store.engine.dispose()
    return 0 if any(name not in deaf and name.rpartition(":")[0] == socket.gethostname() for name in names) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Health check of a worker container: exit status 0 if one of its pool processes has reported recently.

Celery's own ``inspect ping`` needs remote control, which is off, and does not check the pool process.
"""

from __future__ import annotations

import socket
import sys

from app.jobs import worker_registry
from app.jobs.settings import Settings
from app.jobs.store import open_store


def main() -> int:
    """Look for this host among the workers that have reported to the job database; return the exit status."""
    settings = Settings()
    store = open_store(settings)
    names = [row.name for row in worker_registry.list_alive(store, settings.worker_seen_within_s)]
    store.engine.dispose()
    return 0 if any(name.rpartition(":")[0] == socket.gethostname() for name in names) else 1


if __name__ == "__main__":
    sys.exit(main())

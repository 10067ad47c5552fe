"""`vertebra-stress worker`: a worker that is started again when it ends by itself."""

from __future__ import annotations

import os
import signal
import threading

from app.jobs.settings import Settings
from app.serve import worker_command
from app.supervisor import FIRST_PAUSE_S, Child, python_path

POLL_S = 0.2
"""Pause between two looks at the process, seconds."""


def run_worker(settings: Settings) -> int:
    """Run a worker until SIGTERM or SIGINT, and return the exit status.

    A worker ends by itself when it hears nothing (`workers.hearing`), so it is started again. One that ends within a
    minute cannot start at all: then this process ends too, so that whoever started it sees that.
    """
    worker = Child("worker", worker_command(settings), os.environ | {"PYTHONPATH": python_path()})
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    try:
        while not stop.wait(POLL_S):
            worker.watch()
            if worker.deaths and worker.pause_s > FIRST_PAUSE_S:  # it died young
                return worker.last_status or 1
    finally:
        worker.stop()
    return 0

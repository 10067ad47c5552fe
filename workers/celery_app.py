"""Celery configuration: the queue, the processes, the time limits, and what a new pool process does first.

``docs/decisions/0002-celery-settings.md`` gives the reasons for the values (measured on Celery 5.7 with redis-py 8.1).
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from typing import Any

from celery import Celery
from celery.signals import (
    setup_logging,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_shutting_down,
)

from app.contract.errors import WrongDatabaseVersion
from app.jobs import logs, tracing
from app.jobs.database import require_version
from app.jobs.parent_death import die_with_parent
from app.jobs.queue import transport_options
from app.jobs.settings import QUEUE_NAME, Settings
from workers.stopping import announce_stop

log = logging.getLogger(__name__)

LONGEST_START_S = 3600.0
"""Celery kills a pool process that has not started after this time. A first start takes a minute of computing, and
longer on a busy machine; `/health/ready` shows how far it is."""

settings = Settings()

app = Celery("vertebra-workers", broker=settings.broker, include=["workers.tasks"])
app.conf.update(
    task_ignore_result=True,  # the job row holds the result
    task_default_queue=QUEUE_NAME,
    task_acks_late=False,  # a late one that fails leaves the worker deaf; the row is the truth
    task_reject_on_worker_lost=False,  # the job row counts attempts; the broker counts none
    task_track_started=False,
    worker_pool="prefork",  # the other pools ignore time limits without a warning
    worker_concurrency=settings.worker_concurrency,
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=50,
    worker_proc_alive_timeout=LONGEST_START_S,
    worker_cancel_long_running_tasks_on_connection_loss=False,  # the fencing token makes a duplicate harmless
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    task_time_limit=settings.hard_limit_s,
    visibility_timeout=settings.visibility_timeout_s,
    broker_transport_options=transport_options(settings),
    result_backend_transport_options={"visibility_timeout": settings.visibility_timeout_s},
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
)
worker_shutting_down.connect(announce_stop)


@setup_logging.connect
def configure_logs(**_: Any) -> None:
    """Write the lines of Celery and of the pool processes as the gateway writes its own."""
    logs.configure(settings)


@worker_init.connect
def check_database(**_: Any) -> None:
    """End the worker before it takes a job, if the tables are not those that this software needs."""
    try:
        require_version(settings.database)
    except WrongDatabaseVersion as error:
        raise SystemExit(error.detail) from error  # Celery only logs other exceptions of a signal


@worker_init.connect
def check_device(**_: Any) -> None:
    """End the worker before it takes a job, if its networks would not run on the GPU that the settings demand.

    A process of its own looks, because a GPU that is opened before the fork cannot be used after it.
    """
    if settings.device == "cuda":
        looked = subprocess.run([sys.executable, "-m", "workers.device"], stderr=subprocess.PIPE, text=True)
        if looked.returncode:
            raise SystemExit(looked.stderr)


@worker_process_init.connect
def prepare_process(**_: Any) -> None:
    """Limit the memory, compile the kernels and load the models after the fork, and report how far that is."""
    die_with_parent(os.getppid())
    from workers import presence
    from workers.memory_limit import limit_memory

    limit_memory(settings.worker_memory_bytes, settings.worker_concurrency)
    tracing.start(settings, "vertebra-worker")
    presence.start()
    try:
        from workers import warm_up  # heavy, so only the pool process imports it

        bundle = warm_up.warm_up(presence.report_start)
    except Exception as error:
        log.exception("the pool process cannot start")
        os.kill(os.getppid(), signal.SIGTERM)  # a new pool process would fail too, so the worker ends
        raise SystemExit(1) from error  # Celery only logs other exceptions of a signal
    presence.report_ready(bundle)


@worker_process_shutdown.connect
def leave_process(**_: Any) -> None:
    """Remove this process from the list of workers."""
    from workers import presence

    presence.stop()
    tracing.stop()

"""A pool process reports that it is alive and which software it runs. ``/health/ready`` shows these reports."""

from __future__ import annotations

import json
import logging
import os
import platform
import socket
import threading
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from sqlalchemy.exc import SQLAlchemyError

from app.jobs import worker_registry
from app.jobs.blobs import BlobStore
from app.jobs.settings import Settings
from app.jobs.store import JobStore, open_store
from workers.scratch import remove_left_behind

log = logging.getLogger(__name__)

PACKAGES = ("vertebra-stress", "celery", "numpy", "scipy", "numba", "nibabel", "vtk", "pyvista", "onnxruntime")

_stop = threading.Event()


@cache
def job_store() -> JobStore:
    """Return this process's job store. It must open after the fork, because processes must not share connections."""
    return open_store(Settings(), is_checked=True)


@cache
def blob_store() -> BlobStore:
    """Return this process's blob storage."""
    return BlobStore(Settings().storage)


def worker_name() -> str:
    """Return the name of this process: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def start() -> None:
    """Report now and every few seconds, and remove the folders of killed processes."""
    report = worker_registry.WorkerReport(worker_name(), _bundle_version(), _software(), time.time())
    _stop.clear()
    threading.Thread(target=_keep_reporting, args=(report,), name="presence", daemon=True).start()


def stop() -> None:
    """Stop the reports, and remove this process from the list of workers."""
    _stop.set()
    try:
        worker_registry.unregister(job_store(), worker_name())
    except SQLAlchemyError:
        log.warning("cannot leave the list of workers: the database does not answer")


def _keep_reporting(report: worker_registry.WorkerReport) -> None:
    pause, longest = Settings().heartbeat_s, Settings().hard_limit_s
    while True:
        try:
            worker_registry.register(job_store(), report)
        except SQLAlchemyError as error:
            log.warning("cannot report to the list of workers: %s", type(error).__name__)
        remove_left_behind(longest)
        if _stop.wait(pause):
            return


def _bundle_version() -> str:
    try:
        manifest = json.loads((Settings().models_dir / "l1" / "manifest.json").read_text(encoding="utf-8"))
        return str(manifest.get("version", "unknown"))
    except (OSError, ValueError):
        return "unknown"


def _software() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

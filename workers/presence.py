"""A pool process reports that it is alive and which software it runs. ``/health/ready`` shows these reports."""

from __future__ import annotations

import logging
import os
import platform
import socket
import threading
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from sqlalchemy.exc import SQLAlchemyError

from app.jobs import worker_registry
from app.jobs.blobs import BlobStore
from app.jobs.settings import Settings
from app.jobs.store import JobStore, open_store
from app.jobs.worker_registry import LoadedBundle, StartStep
from workers import measurements
from workers.hearing import hears_nothing, restart_worker
from workers.scratch import remove_left_behind

log = logging.getLogger(__name__)

PACKAGES = ("vertebra-stress", "celery", "numpy", "scipy", "numba", "nibabel", "vtk", "pyvista", "onnxruntime")
NOT_LOADED = "not loaded yet"
"""What a process reports as its bundle's version while it starts."""

_stop = threading.Event()
_wake = threading.Event()
_starting: StartStep | None = None
_bundle = LoadedBundle(NOT_LOADED, {})


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
    """Report now and every few seconds, at first that this process starts; remove the folders of killed processes."""
    software = _software()
    _stop.clear()
    report_start("loading the program", 0, 1)
    threading.Thread(target=_keep_reporting, args=(software,), name="presence", daemon=True).start()


def report_start(step: str, done: int, total: int) -> None:
    """Report a step of the start, in words, and how many of how many such steps are done."""
    _report(StartStep(step, done, total))


def report_ready(bundle: LoadedBundle) -> None:
    """Report that this process takes jobs, and the bundle that it has loaded."""
    global _bundle
    _bundle = bundle
    _report(None)


def _report(starting: StartStep | None) -> None:
    global _starting
    _starting = starting
    _wake.set()


def stop() -> None:
    """Stop the reports, and remove this process from the list of workers."""
    _stop.set()
    _wake.set()
    try:
        worker_registry.unregister(job_store(), worker_name())
    except SQLAlchemyError:
        log.warning("cannot leave the list of workers: the database does not answer")


def _keep_reporting(software: dict[str, str]) -> None:
    settings = Settings()
    pause, longest = settings.heartbeat_s, settings.hard_limit_s
    while True:
        _wake.clear()
        try:
            report = worker_registry.WorkerReport(
                worker_name(), _bundle.version, software, _bundle.providers, measurements.peak_memory_bytes()
            )
            worker_registry.register(job_store(), report, _starting)
            if hears_nothing(job_store(), settings, report.name):
                restart_worker()
        except (SQLAlchemyError, MemoryError) as error:
            log.warning("cannot report to the list of workers: %s", type(error).__name__)
        remove_left_behind(longest)
        _wake.wait(pause)
        if _stop.is_set():
            return


def _software() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

"""Keys of a job's files in blob storage. Everything that a job owns lies under one prefix."""

from __future__ import annotations

JOBS_PREFIX = "jobs"
RESULTS_FOLDER = "results-"
"""Start of the name of a results folder; the fencing token of the attempt follows."""

FETCHED_FOLDER = "fetched-"
"""Start of the name of the folder of a CT that a worker fetched from an archive; the token of the attempt follows."""

REFERENCE_PART = "reference"
"""The input file that says where in an archive the CT is (`app.jobs.ct_reference`)."""


def job_prefix(job_id: str) -> str:
    """Return the prefix of everything that a job owns."""
    return f"{JOBS_PREFIX}/{job_id}"


def input_key(job_id: str, part: str) -> str:
    """Return the key of an input file; ``part`` is ``ct``, ``mask`` or `REFERENCE_PART`."""
    return f"{job_prefix(job_id)}/input/{part}"


def fetched_prefix(job_id: str, token: int) -> str:
    """Return the prefix of what the attempt that holds ``token`` fetched from an archive."""
    return f"{job_prefix(job_id)}/{FETCHED_FOLDER}{token}"


def ct_key(job_id: str, token: int | None) -> str:
    """Return the key of the CT that was sent, or of the one that the attempt with ``token`` fetched."""
    return input_key(job_id, "ct") if token is None else f"{fetched_prefix(job_id, token)}/ct"


def results_prefix(job_id: str, token: int) -> str:
    """Return the prefix of the results of the attempt that holds ``token``."""
    return f"{job_prefix(job_id)}/{RESULTS_FOLDER}{token}"

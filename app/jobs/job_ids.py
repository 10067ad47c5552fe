"""Identifiers of jobs: 32 hex digits. Text of another form never reaches the database."""

from __future__ import annotations

import re
import uuid

JOB_ID = re.compile(r"[0-9a-f]{32}")


def new_job_id() -> str:
    """Return an identifier that no other job has."""
    return uuid.uuid4().hex


def is_job_id(text: str) -> bool:
    """Return whether a text has the form of a job's identifier."""
    return JOB_ID.fullmatch(text) is not None

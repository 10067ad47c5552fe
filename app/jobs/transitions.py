"""Column values that a transition of a job sets, shared by the job store and the reconciler."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement

from app.contract.errors import AttemptsExhausted
from app.jobs.clock import Now
from app.jobs.rows import JobRow, Json

DEADLINE_GRACE_S = 30.0
"""The row's deadline is this much later than the worker's own limit, so that the worker can report the timeout."""

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0
MAX_FAULTS = 12
"""A job whose attempt met a passing fault waits before it may start again. The pause doubles up to the longest one;
after so many faults, in 35 minutes, the job fails. An operator can free a full disk in that time."""


def pause_after_fault(faults: int) -> float:
    """Return how long a job waits after a passing fault, seconds; ``faults`` counts those before it."""
    return min(FIRST_PAUSE_S * 2.0**faults, LONGEST_PAUSE_S)


def running_values(worker: str, now: Now, longest_run_s: ColumnElement[float]) -> dict[str, Any]:
    """Return the values that start an attempt; the new token fences out every earlier attempt."""
    return {
        "state": "running",
        "attempt": JobRow.attempt + 1,
        "token": JobRow.token + 1,
        "worker": worker,
        "stage": None,
        "level": None,
        "percent": 0.0,
        "heartbeat": now,
        "deadline": now + longest_run_s + DEADLINE_GRACE_S,
        "started_at": now,
        "error": None,
    }


def requeue_values(since: Now) -> dict[str, Any]:
    """Return the values that put a running job back into the queue, where it may start ``since`` then."""
    return {
        "state": "queued",
        "stage": None,
        "level": None,
        "percent": 0.0,
        "token": JobRow.token + 1,
        "deadline": None,
        "enqueued_at": since,
    }


def failure_values(problem: Json, now: Now) -> dict[str, Any]:
    """Return the values that fail a job from outside its attempt; the new token fences that attempt out."""
    return {"state": "failed", "error": problem, "token": JobRow.token + 1, "finished_at": now}


def attempts_exhausted_problem(max_attempts: int) -> Json:
    """Return the problem details of a job whose ``max_attempts`` attempts all ended without a result."""
    return AttemptsExhausted(
        f"Workers started the job {max_attempts} times and no attempt finished (the worker process died, as it "
        "does where the machine has too little memory, or the storage was down). Submit the job again. If it fails "
        "again, the operator finds the cause in the worker's log.",
        expected=f"an attempt that finishes, within {max_attempts} attempts",
        got=f"{max_attempts} attempts, none of which finished",
    ).problem()


def published_values(results: list[Json] | None) -> dict[str, Any]:
    """Return the values that make result files visible, or say that there are none."""
    return {"results": results or None, "results_size": sum(entry.get("size", 0) for entry in results or ())}

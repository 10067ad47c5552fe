"""Run one job in a child process with a limit of memory, and measure how far its memory rises."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.contract.errors import VertebraError
from app.contract.params import JobParams
from workers.memory_limit import as_out_of_memory, limit_memory

PAGE_KB = 1024.0


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes
    ----------
    problem
        Slug of the problem, "none" where the job succeeded, or the name of an exception that is none of ours.
    seconds
        Wall-clock time.
    peak_mb
        Highest resident memory of the process (getrusage) above that before the job, MB.
    """

    problem: str
    seconds: float
    peak_mb: float


def measure(job: Callable[[], Any], limit_bytes: int | None) -> Outcome:
    """Fork, run a job in the child, and return how it ended; a child that dies is the problem "killed"."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        outcome = _run(job, limit_bytes)
        os.write(write, json.dumps(asdict(outcome)).encode())
        sys.stderr.flush()
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    _, status, usage = os.wait4(pid, 0)
    if not data:
        return Outcome(f"killed ({os.waitstatus_to_exitcode(status)})", 0.0, usage.ru_maxrss / PAGE_KB)
    return Outcome(**json.loads(data))


def _run(job: Callable[[], Any], limit_bytes: int | None) -> Outcome:
    if limit_bytes is not None:
        limit_memory(limit_bytes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    try:
        job()
        problem = "none"
    except VertebraError as error:
        problem = error.slug
    except BaseException as error:
        traceback.print_exc()
        memory = as_out_of_memory(error)
        problem = memory.slug if memory else type(error).__name__
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return Outcome(problem, round(time.perf_counter() - begin, 1), round(peak / PAGE_KB, 1))


def run_job(ct: Path, mask: Path | None, params: dict[str, Any], out: Path) -> None:
    """Run the real pipeline on files."""
    from workers.pipeline import run_pipeline

    out.mkdir(exist_ok=True)
    run_pipeline(ct, mask, JobParams.model_validate(params), out, lambda stage, percent: None)

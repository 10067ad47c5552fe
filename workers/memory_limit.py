"""A limit on the memory of a pool process, so that a hostile or huge volume ends one job and not the machine."""

from __future__ import annotations

import logging
import os
import re
import resource
from pathlib import Path

from app.contract.errors import OutOfMemory

log = logging.getLogger(__name__)

ALLOCATION_FAILED = re.compile(
    r"bad.?alloc|failed to allocate|out of memory|cannot allocate memory|can't start new thread", re.IGNORECASE
)
"""What ONNX Runtime and the start of a thread say where an allocation fails; NumPy, SciPy and numba raise
`MemoryError`, and VTK ends the process (see `workers.mesh.mask_surface`)."""
CONTAINER_LIMITS = tuple(map(Path, ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")))
"""Files of control groups 2 and 1; the first says ``max`` where there is no limit."""
STATM, DATA_FIELD = Path("/proc/self/statm"), 5
"""Where Linux says how many pages of data and stack this process has; it holds them against `RLIMIT_DATA`."""
RESERVED_BYTES = 1 << 30
"""Left to what runs beside the pool processes: their parent, and with `serve` gateway and queue (0.5 GB)."""
LEAST_BYTES = 2 << 30
"""A pool process peaks at 1.6 GB before its first job: with less it could not even start."""
BYTES_PER_GB = 1e9


def limit_memory(limit_bytes: int, processes: int = 1) -> None:
    """Let every allocation fail from so many bytes of data on; 0 sets no limit.

    `RLIMIT_DATA` counts writable private memory: heap, arrays, stacks of threads. Unlike `RLIMIT_AS` it does not count
    libraries, mapped files and reserved addresses, of which this process has several GB that cost nothing.

    Parameters
    ----------
    limit_bytes
        Most data of this process, bytes. It takes less where the machine or the container has less for it.
    processes
        Pool processes that share the machine or the container.
    """
    if not limit_bytes:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = min(limit_bytes, share_of(memory_here(), processes))
    allowed = allowed if hard == resource.RLIM_INFINITY else min(allowed, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
    log.info("memory of this process: at most %.1f GB", allowed / BYTES_PER_GB)


def share_of(memory: int, processes: int) -> int:
    """Return what one of several pool processes may take of a memory, bytes."""
    return max((memory - RESERVED_BYTES) // processes, LEAST_BYTES)


def memory_here() -> int:
    """Return the memory of this machine, or of this container if that has less, bytes."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in CONTAINER_LIMITS:
        text = path.read_text().strip() if path.exists() else ""
        found += [int(text)] if text.isdigit() else []
    return min(found)


def memory_left() -> int:
    """Return what this process may still allocate, bytes: of its limit, or of this machine or container without one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = memory_here() if soft == resource.RLIM_INFINITY else min(soft, memory_here())
    used = int(STATM.read_text().split()[DATA_FIELD]) * os.sysconf("SC_PAGE_SIZE") if STATM.exists() else 0
    return max(allowed - used, 0)


def as_out_of_memory(error: BaseException) -> OutOfMemory | None:
    """Return the problem of a job whose allocation failed; None if the error, or its cause, is something else."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or ALLOCATION_FAILED.search(str(seen)):
            return out_of_memory()
        seen = seen.__cause__
    return None


def out_of_memory() -> OutOfMemory:
    """Return the problem of a job that needs more memory than this process may take."""
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    known = soft != resource.RLIM_INFINITY
    return OutOfMemory(
        "The job needs more memory than a worker may take. Crop the CT to the spine, or store it with fewer voxels. "
        "The operator can raise VERTEBRA_WORKER_MEMORY_BYTES.",
        expected=f"at most {soft / BYTES_PER_GB:.1f} GB in the worker's process" if known else "memory of the machine",
        got="a failed allocation",
    )

"""A limit on the memory of a pool process, so that a hostile or huge volume ends one job and not the machine."""

from __future__ import annotations

import logging
import re
import resource

from app.contract.errors import OutOfMemory

log = logging.getLogger(__name__)

ALLOCATION_FAILED = re.compile(
    r"bad.?alloc|failed to allocate|out of memory|cannot allocate memory|can't start new thread", re.IGNORECASE
)
"""What ONNX Runtime and the start of a thread say where an allocation fails; NumPy, SciPy and numba raise
`MemoryError`, and VTK ends the process (see `workers.mesh.mask_surface`)."""
BYTES_PER_GB = 1e9


def limit_memory(limit_bytes: int) -> None:
    """Let every allocation fail from so many bytes of data on; 0 sets no limit.

    `RLIMIT_DATA` counts writable private memory: heap, arrays, stacks of threads. Unlike `RLIMIT_AS` it does not count
    libraries, mapped files and reserved addresses, of which this process has several GB that cost nothing.
    """
    if not limit_bytes:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = limit_bytes if hard == resource.RLIM_INFINITY else min(limit_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
    log.info("memory of this process: at most %.1f GB", allowed / BYTES_PER_GB)


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

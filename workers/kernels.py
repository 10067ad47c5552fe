"""Compiles every kernel before the first job, on all cores, or loads what another process has compiled.

``python -m workers.kernels`` is such a process. A lock on each kernel shares the work: whoever compiles on this machine
takes the next kernel that nobody holds, and at the end each loads what the others have made.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.jobs.parent_death import die_with_parent
from models.compiled import KERNELS, Kernel
from workers import engine  # noqa: F401 - it imports every module that has kernels

log = logging.getLogger(__name__)

Report = Callable[[str, int, int], None]
"""Called with a step of the start in words, its number, and the number of steps."""

MOST_PROCESSES = 4
"""Processes that compile at once, at most: each takes 0.35 GB, and the longest kernel takes a fifth of all the time."""

ROOT = Path(__file__).resolve().parents[1]


def compile_kernels(report: Report) -> None:
    """Compile or load every kernel that lists its types. Other cores help while kernels are missing."""
    waiting = _listed()
    helpers = _start_helpers(sum(not _is_kept(kernel) for kernel in waiting))
    try:
        total = len(waiting)
        for wait in (False, True):
            for kernel in list(waiting):
                report(f"compiling {kernel.name}", total - len(waiting), total)
                if compile_kernel(kernel, wait):
                    waiting.remove(kernel)
        report("kernels compiled", total, total)
    finally:
        for helper in helpers:
            helper.terminate()
            helper.wait()


def _listed() -> list[Kernel]:
    """Return the kernels that list their types, the longest first, so that at the end no process waits for another."""
    listed = [kernel for kernel in KERNELS if kernel.signatures]
    return sorted(listed, key=lambda kernel: -len(kernel.dispatcher.py_func.__code__.co_code))


def compile_kernel(kernel: Kernel, wait: bool) -> bool:
    """Compile or load a kernel. Return false if another process compiles it, unless this process may `wait` for it."""
    with _lock(kernel, wait) as is_held:
        if not is_held:
            return False
        for signature in kernel.signatures:
            _load_or_compile(kernel, signature)
    return True


def _load_or_compile(kernel: Kernel, signature: str) -> None:
    try:
        kernel.dispatcher.compile(signature)
        return
    except OSError as error:  # the code is compiled before it is kept
        log.warning("%s cannot be kept for the next start: %s", kernel.name, error)
    except Exception as error:  # a damaged file can raise anything; what is wrong with the kernel is raised again
        log.warning("%s is compiled anew, what was kept is damaged: %r", kernel.name, error)
        shutil.rmtree(_folder(kernel), ignore_errors=True)
    kernel.dispatcher.compile(signature)


def _start_helpers(n_missing: int) -> list[subprocess.Popen[bytes]]:
    """Start processes that compile beside this one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return [
        subprocess.Popen(
            [sys.executable, "-m", "workers.kernels", str(os.getpid())],  # other threads run: no `preexec_fn`
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
        )
        for _ in range(min(cores, MOST_PROCESSES, n_missing) - 1)
    ]


@contextmanager
def _lock(kernel: Kernel, wait: bool) -> Iterator[bool]:
    """Hold a kernel's lock and yield true; yield false if another process holds it and this one may not wait."""
    folder = _folder(kernel)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / f"{kernel.name}.lock").open("w")
    except OSError:  # nothing can be kept there, so there is nothing to share
        yield True
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def _is_kept(kernel: Kernel) -> bool:
    return any(_folder(kernel).glob(f"*{kernel.dispatcher.py_func.__name__}*.nbi"))


def _folder(kernel: Kernel) -> Path:
    return Path(kernel.dispatcher.stats.cache_path)


def main() -> None:
    """Compile the kernels that no other process has taken; end with the parent whose process id is the argument."""
    for parent in sys.argv[1:]:
        die_with_parent(int(parent))
    for kernel in _listed():
        compile_kernel(kernel, wait=False)


if __name__ == "__main__":
    main()

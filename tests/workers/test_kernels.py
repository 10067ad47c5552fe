"""Kernels are compiled once for a user, in whatever process and clone, and damage or a full disk stops nothing."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.compiled import KERNELS, Kernel
from workers.fem.block_sparse import multiply_blocks
from workers.kernels import compile_kernel

ROOT = Path(__file__).parents[2]

COMPILE = """
import workers.fem.block_sparse
from numba.core import event
from models.compiled import KERNELS
from workers.kernels import compile_kernel
kernels = [kernel for kernel in KERNELS if "multiply_diagonal" in kernel.name]
with event.install_recorder("numba:compile") as recorder:
    assert all(compile_kernel(kernel, wait=True) for kernel in kernels)
own = [e for _, e in recorder.buffer if e.is_start and e.data["dispatcher"] is kernels[0].dispatcher]
print(len(kernels[0].dispatcher.signatures), len(own))
"""
"""Compiles one kernel; prints how many of its signatures can run, and how many were compiled here."""


def compile_in(root: Path, cache: Path) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", COMPILE],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    usable, compiled = done.stdout.split()
    return int(usable), int(compiled)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache that holds one compiled kernel."""
    folder = tmp_path_factory.mktemp("cache")
    assert compile_in(ROOT, folder) == (1, 1)
    return folder


def test_every_kernel_of_a_job_lists_its_types() -> None:
    for path in [*(ROOT / "workers").rglob("*.py"), *(ROOT / "models").rglob("*.py")]:
        if path != ROOT / "models" / "compiled.py":
            assert "njit" not in path.read_text(), f"{path}: make the kernel with models.compiled.compiled"


def test_another_process_in_another_clone_compiles_nothing(cache: Path, tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "l1")
    for package in ("app", "models", "workers"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    assert compile_in(tmp_path, cache) == (1, 0)


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_damaged_files_are_compiled_anew(cache: Path, tmp_path: Path, suffix: str) -> None:
    copy = tmp_path / "cache"
    shutil.copytree(cache, copy)
    (damaged,) = copy.rglob(f"*.{suffix}")
    damaged.write_bytes(damaged.read_bytes()[:40])
    assert compile_in(ROOT, copy) == (1, 1)
    assert compile_in(ROOT, copy) == (1, 0)


def test_a_kernel_that_another_process_compiles_is_left_to_it() -> None:
    kernel = next(kernel for kernel in KERNELS if kernel.dispatcher is multiply_blocks)
    folder = Path(kernel.dispatcher.stats.cache_path)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{kernel.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not compile_kernel(kernel, wait=False)
    assert compile_kernel(kernel, wait=False)


def test_a_helper_ends_if_its_parent_has_ended(tmp_path: Path) -> None:
    nobody = os.getppid()  # not the parent of the process that starts here
    done = subprocess.run(
        [sys.executable, "-m", "workers.kernels", str(nobody)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path)},
    )
    assert done.returncode == 1
    assert not list(tmp_path.rglob("*.nbi"))


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Dispatcher:
        """Compiles, but cannot keep the code: numba raises after the code is there."""

        py_func = staticmethod(compile_in)
        signatures: tuple[str, ...] = ()
        stats = type("Stats", (), {"cache_path": str(tmp_path / "file" / "folder")})

        def compile(self, signature: str) -> None:
            if signature not in self.signatures:
                self.signatures += (signature,)
                raise OSError(28, "No space left on device")

    (tmp_path / "file").touch()
    dispatcher = Dispatcher()
    assert compile_kernel(Kernel(dispatcher, ("(f8,)",)), wait=True)
    assert dispatcher.signatures == ("(f8,)",)
    assert "No space left on device" in caplog.text

"""What a failed allocation looks like in each library, and what the client is told."""

import os
import subprocess
import sys

import numpy as np
import pytest

from app.contract.errors import OutOfMemory
from workers import memory_limit
from workers.memory_limit import as_out_of_memory, memory_here, memory_left, share_of

SPARE = 64 << 20
"""What a child may allocate beside what it has."""


def test_errors_that_mean_no_memory():
    onnx = RuntimeError(
        "[ONNXRuntimeError] : 6 : Non-zero status code returned while running Concat node: std::bad_alloc"
    )
    wrapped = ValueError("a stage failed")
    wrapped.__cause__ = MemoryError()
    for error in (MemoryError(), onnx, RuntimeError("can't start new thread"), wrapped):
        assert isinstance(as_out_of_memory(error), OutOfMemory)
    for error in (ValueError("shapes do not match"), KeyError("allocation")):
        assert as_out_of_memory(error) is None


def test_a_small_machine_or_container_has_less(tmp_path, monkeypatch):
    machine = memory_here()
    group = tmp_path / "memory.max"
    monkeypatch.setattr(memory_limit, "CONTAINER_LIMITS", (group, tmp_path / "none"))
    for text, expected in (("max\n", machine), (f"{machine // 2}\n", machine // 2), (f"{machine * 2}\n", machine)):
        group.write_text(text)
        assert memory_here() == expected
    assert share_of(9 << 30, 2) == 4 << 30
    assert share_of(1 << 30, 1) == 2 << 30  # less than that, and no worker starts


def test_what_is_left_is_the_limit_less_what_the_process_has():
    before = memory_left()
    assert 0 < before < memory_here()
    held = np.ones(SPARE // 8)  # more than the allocator gives from what it has
    assert before - memory_left() == pytest.approx(held.nbytes, rel=0.1)
    program = f"""
import resource
from workers.memory_limit import memory_left
used = next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (used + {SPARE}, used + {SPARE}))
print(memory_left())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) == pytest.approx(SPARE, rel=0.1)


@pytest.mark.parametrize(
    "code",
    [
        "np.ones(1 << 28)",
        "cKDTree(np.random.default_rng(0).random((2_500_000, 3)))",
        "extract_surface(np.random.default_rng(0).random((128, 128, 128)) > 0.5, np.eye(4))",
    ],
)
def test_a_failed_allocation_is_an_error_and_not_the_end_of_the_process(code):
    """The third is VTK, which would abort."""
    program = f"""
import numpy as np
from scipy.spatial import cKDTree
from workers.memory_limit import as_out_of_memory, limit_memory
from workers.mesh.mask_surface import extract_surface
used = next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmData"))
limit_memory(used + {SPARE})
try:
    {code}
except Exception as error:
    print(as_out_of_memory(error).slug)
"""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, "out_of_memory\n"), done.stderr


def test_the_surface_takes_no_more_than_it_asks_for():
    """Peak memory of a noisy mask, all surface, in a process of its own."""
    program = """
import numpy as np
from workers.mesh.mask_surface import PADDING, bytes_needed, extract_surface
extract_surface(np.ones((4, 4, 4), bool), np.eye(4))
mask = np.random.default_rng(0).random((100, 100, 100)) > 0.5
asked = bytes_needed(np.pad(mask, PADDING))
def peak_kb():  # unlike ru_maxrss it starts anew with the program, whatever started it
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak_kb()
extract_surface(mask, np.eye(4))
print((peak_kb() - before) * 1024 / asked)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert 0.3 < float(done.stdout) < 1.0, done.stderr

"""What a job costs against the number of slices of its CT: seconds and CPU seconds of each stage, and memory.

The CT is that of `bench.segmentation`, with its slices cut ever thinner: the same body, so the same vertebra. Each job
runs in a process of its own that has run one before. Memory is the highest resident one of a job (``VmHWM``) above that
before the job, less the CT as the job keeps it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import workers  # noqa: F401  (thread settings, before NumPy)
from app.contract.params import JobParams
from bench.segmentation import hospital_ct, write_ct
from workers.imaging.volume import Volume

THINNER = (1, 2, 4, 8)
"""Slices for each slice of the CT: 133, 266, 532, 1064."""
RESET_PEAK = "5"
"""Written to ``clear_refs`` it sets the peak to the present memory (man proc)."""
PARAMS = JobParams(on_uncertain_level="flag")


@dataclass(frozen=True)
class Cost:
    """One job: slices and MB of its CT, seconds of wall clock and CPU, MB above the CT, and seconds of each stage."""

    slices: int
    volume_mb: float
    seconds: float
    cpu_s: float
    above_mb: float
    stages_s: dict[str, float]


def thinner(ct: Volume, times: int) -> Volume:
    """Return a CT with each slice cut into `times` slices of the same voxels."""
    affine = ct.affine.copy()
    affine[:3, 3] -= affine[:3, 2] * (0.5 - 0.5 / times)
    affine[:3, 2] /= times
    return Volume(np.repeat(ct.voxels, times, axis=2), affine)


def cost_of(path: Path, voxels: tuple[int, ...]) -> Cost:
    """Run the job of a CT in this process, after a first one."""
    from workers.pipeline import run_pipeline

    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "second"):
            (Path(folder) / name).mkdir()
            Path("/proc/self/clear_refs").write_text(RESET_PEAK)
            before, begin, cpu = _status_mb("VmRSS"), time.perf_counter(), time.process_time()
            done = run_pipeline(path, None, PARAMS, Path(folder) / name, lambda *_: None)
        seconds, cpu_s = time.perf_counter() - begin, time.process_time() - cpu
    volume_mb = float(np.prod(voxels)) * np.dtype(np.int16).itemsize / 1e6
    return Cost(voxels[2], volume_mb, seconds, cpu_s, _status_mb("VmHWM") - before - volume_mb, done.timings)


def _status_mb(name: str) -> float:
    """Return a memory figure of this process, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1e3


def measure() -> list[dict[str, Any]]:
    """Return the cost of each CT."""
    ct = hospital_ct()
    rows = []
    for times in THINNER:
        with tempfile.TemporaryDirectory() as folder:
            path, result = Path(folder) / "ct.nii", Path(folder) / "cost.json"
            cut = thinner(ct, times)
            write_ct(cut, path)
            command = [sys.executable, "-m", "bench.slices", "--one", path, *cut.voxels.shape, result]
            del cut
            subprocess.run([str(word) for word in command], check=True)
            rows.append(json.loads(result.read_text()))
        print(_line(rows[-1]), flush=True)
    return rows


def _line(row: dict[str, Any]) -> str:
    shown = ("read", "localise", "segment", "surface", "morph", "predict", "write")
    stages = "".join(f"{row['stages_s'][name]:10.2f}" for name in shown)
    return f"{row['slices']:6d}{row['seconds']:9.1f}{row['cpu_s']:8.1f}{row['above_mb']:10.0f}{stages}"


def main() -> None:
    """Print the table and write it to the file that the command line names."""
    if sys.argv[1] == "--one":
        path, *shape, result = sys.argv[2:]
        Path(result).write_text(json.dumps(asdict(cost_of(Path(path), tuple(map(int, shape))))))
        return
    print("slices  seconds   CPU s  MB above      read  localise   segment   surface     morph   predict     write")
    Path(sys.argv[1]).write_text(json.dumps(measure()))


if __name__ == "__main__":
    main()

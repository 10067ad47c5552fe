"""The surrogates beside our own finite elements on the same meshes, and the memory of a warm worker."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import workers  # noqa: F401  (thread settings, before NumPy)

import numpy as np  # isort: skip
import psutil

from models.types import Floats
from workers.engine import engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.warm_up import warm_up

REPEATS, SOLVE_REPEATS = 11, 5
N_MESHES = 3
AMPLITUDE, DECAY_MODES = 0.6, 30.0
"""Spread of the shape coefficients: of the first mode, and the number of modes after which it has fallen by √2."""


def random_meshes(count: int) -> list[Floats]:
    """Return meshes (n, 3), mm: smooth random variants of the template."""
    template, basis = engine().template, engine().morpher.basis
    random = np.random.default_rng(0)
    decay = AMPLITUDE / np.sqrt(1.0 + np.arange(basis.shape[1]) / DECAY_MODES)
    out = []
    for _ in range(count):
        c = random.standard_normal((basis.shape[1], 3)) * decay[:, None]
        points = np.ascontiguousarray(template.nodes + basis @ c.astype(np.float32))
        engine().morpher.repair(points)
        out.append(points)
    return out


def median_seconds(run: Callable[[Floats], object], meshes: list[Floats], repeats: int) -> float:
    """Return the median wall-clock time of one call, after one that warms up."""
    run(meshes[0])
    seconds = []
    for i in range(repeats):
        start = time.perf_counter()
        run(meshes[i % len(meshes)])
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def mean_nmae(name: str, meshes: list[Floats]) -> float:
    """Return the mean NMAE of a surrogate on the meshes, % of the peak (paper eq. 12)."""
    errors = []
    for points in meshes:
        solved = engine().solve(points, REFERENCE_LOAD_NEWTON)[0].field.von_mises
        predicted = engine().predict(points, REFERENCE_LOAD_NEWTON, name).von_mises
        errors.append(100.0 * np.abs(predicted - solved).mean() / solved.max())
    return float(np.mean(errors))


def main(target: Path) -> None:
    """Print the comparison and write it to `target`."""
    warm_up(lambda *_: None)
    resident = psutil.Process().memory_info().rss / 1e6
    meshes = random_meshes(N_MESHES)
    solve = median_seconds(lambda points: engine().solve(points, REFERENCE_LOAD_NEWTON), meshes, SOLVE_REPEATS)
    result: dict[str, Any] = {"resident_after_warm_up_mb": resident, "fe_seconds": solve}
    print(f"finite elements  {solve:7.3f} s (median of {SOLVE_REPEATS})")
    for name in ("refined", "tangent", "paper"):
        seconds = median_seconds(
            lambda points, n=name: engine().predict(points, REFERENCE_LOAD_NEWTON, n), meshes, REPEATS
        )
        nmae = mean_nmae(name, meshes)
        result[name] = {"seconds": seconds, "times_faster": solve / seconds, "nmae_percent": nmae}
        print(f"{name:15}  {seconds:7.3f} s, {solve / seconds:5.1f} x faster; NMAE {nmae:.3f} % here")
    print(f"resident memory of a warm worker: {resident:.0f} MB; with all of this: ", end="")
    result["resident_mb"] = psutil.Process().memory_info().rss / 1e6
    print(f"{result['resident_mb']:.0f} MB")
    target.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

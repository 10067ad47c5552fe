"""Assembly, solve and stress recovery at template size, beside CalculiX's iterative solver on the same mesh."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import workers  # noqa: F401  (thread settings, before NumPy)

import numpy as np  # isort: skip

from bench.calculix import executable, solve_with_calculix
from models.bundle import Bundle
from models.coarse_mesh import CoarseMesh
from models.template import Template
from models.types import Floats
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.solve import Solution
from workers.fem.sparsity import SparsityPattern
from workers.fem.stress import von_mises
from workers.fem.template_solver import STRESS_TOLERANCE, TemplateSolver

REPEATS = 5


def measure_ours(template: Template, coarse: CoarseMesh, force: Floats) -> tuple[Solution, dict[str, Any]]:
    """Solve the template several times; return the solution and the figures."""
    start = time.perf_counter()
    solver = TemplateSolver(template, coarse, SparsityPattern.of(template.tets, len(template.nodes)))
    planning = time.perf_counter() - start
    solution = solver.solve(template.nodes, force, STRESS_TOLERANCE)  # compiles
    seconds, cpu_seconds = [], []
    for _ in range(REPEATS):
        start, cpu_start = time.perf_counter(), time.process_time()
        solution = solver.solve(template.nodes, force, STRESS_TOLERANCE)
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
    return solution, {
        "nodes": len(template.nodes),
        "tets": len(template.tets),
        "seconds": float(np.median(seconds)),
        "cpu_seconds": float(np.median(cpu_seconds)),
        "plan_seconds_once": planning,
        "iterations": solution.iterations,
        "reaction_error": float(np.abs(solution.reaction + force.sum(axis=0)).max() / REFERENCE_LOAD_NEWTON),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000.0,
    }


def measure_calculix(template: Template, force: Floats, ours: Solution, our_seconds: float) -> dict[str, Any]:
    """Solve the template with CalculiX; return the figures beside ours."""
    peer = solve_with_calculix(template.nodes, template.tets, template.fixed_nodes, force)
    theirs = von_mises(peer.tensor)
    difference = float(np.linalg.norm(ours.field.von_mises - theirs) / np.linalg.norm(theirs))
    return {
        "calculix_seconds": peer.seconds,
        "calculix_cpu_seconds": peer.cpu_seconds,
        "calculix_peak_mb": peer.peak_mb,
        "times_faster": peer.seconds / our_seconds,
        "von_mises_relative_l2": difference,
    }


def main(target: Path) -> None:
    """Print the comparison and write it to `target`."""
    bundle = Bundle()
    template = bundle.template
    force = endplate_traction(template.nodes, template.superior, template.inferior, REFERENCE_LOAD_NEWTON)
    solution, result = measure_ours(template, bundle.tangent.coarse, force)
    print(f"{result['nodes']} nodes, {result['tets']} tets")
    print(
        f"ours       {result['seconds']:7.2f} s ({result['cpu_seconds']:.2f} s of CPU; median of {REPEATS}), ", end=""
    )
    print(f"{result['iterations']} cycles, peak {result['peak_mb']:.0f} MB")
    print(f"           patterns and levels, once: {result['plan_seconds_once']:.2f} s")
    if executable() is None:
        print("CalculiX   skipped: ccx is not installed (apt-get install calculix-ccx)")
    else:
        result |= measure_calculix(template, force, solution, result["seconds"])
        print(
            f"CalculiX   {result['calculix_seconds']:7.2f} s ({result['calculix_cpu_seconds']:.2f} s of CPU; ", end=""
        )
        print(f"iterative), peak {result['calculix_peak_mb']:.0f} MB")
        print(f"ratio      {result['times_faster']:7.1f} x; von Mises differs by ", end="")
        print(f"{result['von_mises_relative_l2']:.1e} (relative L2)")
    target.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

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
from models.template import Template
from models.types import Floats
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.solve import Solution, solve
from workers.fem.solve_plan import SolvePlan
from workers.fem.stress import von_mises

REPEATS = 5


def measure_ours(template: Template, force: Floats) -> tuple[Solution, dict[str, Any]]:
    """Solve the template several times; return the solution and the figures."""
    start = time.perf_counter()
    plan = SolvePlan(template.tets, len(template.nodes), template.fixed_nodes)
    planning = time.perf_counter() - start
    solution = solve(template.nodes, plan, force)  # compiles
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        solution = solve(template.nodes, plan, force)
        seconds.append(time.perf_counter() - start)
    return solution, {
        "nodes": len(template.nodes),
        "tets": len(template.tets),
        "seconds": float(np.median(seconds)),
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
        "calculix_peak_mb": peer.peak_mb,
        "times_faster": peer.seconds / our_seconds,
        "von_mises_relative_l2": difference,
    }


def main(target: Path) -> None:
    """Print the comparison and write it to `target`."""
    template = Bundle().template
    force = endplate_traction(template.nodes, template.superior, template.inferior, REFERENCE_LOAD_NEWTON)
    solution, result = measure_ours(template, force)
    print(f"{result['nodes']} nodes, {result['tets']} tets")
    print(f"ours       {result['seconds']:7.2f} s (median of {REPEATS}; pattern and levels, once: ", end="")
    print(f"{result['plan_seconds_once']:.2f} s),")
    print(f"           {result['iterations']} iterations, peak {result['peak_mb']:.0f} MB")
    if executable() is None:
        print("CalculiX   skipped: ccx is not installed (apt-get install calculix-ccx)")
    else:
        result |= measure_calculix(template, force, solution, result["seconds"])
        print(f"CalculiX   {result['calculix_seconds']:7.2f} s (iterative), peak {result['calculix_peak_mb']:.0f} MB")
        print(f"ratio      {result['times_faster']:7.1f} x; von Mises differs by ", end="")
        print(f"{result['von_mises_relative_l2']:.1e} (relative L2)")
    target.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

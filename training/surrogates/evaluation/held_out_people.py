"""Score the shipped surrogate on vertebrae of people of whom neither shape model nor surrogate was made."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from app.contract.params import JobParams, Surrogate
from models.template import REGIONS
from models.types import Floats
from training.shapes.sources import Source, read_surface
from workers.engine import engine
from workers.fem.field import StressField
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.fem.solve import solve
from workers.results.agreement import agreement

INNER_QUANTILE = 0.99
"""Of the body's nodes: the peak without the few nodes at the rims, where it depends on the mesh."""
SURROGATES: tuple[Surrogate, ...] = ("tangent", "refined")
"""The surrogates that are scored."""


def print_scores(sources: Iterable[Source], data: Path) -> None:
    """Morph, predict and solve each vertebra; print the error, the one that is told, and both peaks' changes.

    There is one line a vertebra and surrogate, the prediction alone and the refined one, and one of the solution that
    `fe` gives. All are compared with full multigrid at its own, much smaller tolerance.
    """
    print("vertebra; method; NMAE, %; told, %; 99th percentile, %; peak, %; mm between the peaks; cycles; relative L2")
    for source in sources:
        surface, voxel_mm = read_surface(source, data)
        points = engine().morpher.morph(surface, voxel_mm).points
        solution, force = engine().solve(points, REFERENCE_LOAD_NEWTON)
        exact = solve(points, engine().plan, force).field
        for surrogate in SURROGATES:
            predicted, told = engine().predict_with_error(points, JobParams(surrogate=surrogate))
            figures = (f"{told.expected_nmae_percent:.3f}", told.cycles)
            print(f"{source.name}; {surrogate}; {_score(points, predicted, exact, *figures)}", flush=True)
        print(f"{source.name}; fe; {_score(points, solution.field, exact, '-', solution.iterations)}", flush=True)


def _score(points: Floats, field: StressField, exact: StressField, told: str, cycles: int | None) -> str:
    """Return the figures of one line."""
    body = engine().template.region == REGIONS.index("body")
    found = agreement(points, field, exact)
    p99, true = (float(np.quantile(f.von_mises[body], INNER_QUANTILE)) for f in (field, exact))
    apart = np.linalg.norm(field.von_mises - exact.von_mises) / np.linalg.norm(exact.von_mises)
    return (
        f"{found.nmae_percent:.3f}; {told}; {100.0 * (p99 / true - 1.0):+.1f}; {found.peak_error_percent:+.2f}; "
        f"{found.peak_distance_mm:.1f}; {cycles or '-'}; {apart:.1e}"
    )

"""Score the shipped surrogate on vertebrae of people of whom neither shape model nor surrogate was made."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from app.contract.params import JobParams
from models.template import REGIONS
from training.shapes.sources import Source, read_surface
from workers.engine import engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.results.agreement import agreement

INNER_QUANTILE = 0.99
"""Of the body's nodes: the peak without the few nodes at the rims, where it depends on the mesh."""


def print_scores(sources: Iterable[Source], data: Path) -> None:
    """Morph, predict and solve each vertebra; print the error, the one that is told, and both peaks' changes."""
    print("vertebra; NMAE, %; told, %; 99th percentile, %; peak, %")
    body = engine().template.region == REGIONS.index("body")
    for source in sources:
        surface, voxel_mm = read_surface(source, data)
        points = engine().morpher.morph(surface, voxel_mm).points
        predicted = engine().predict(points, REFERENCE_LOAD_NEWTON, "tangent")
        told = engine().estimate_error(points, predicted, JobParams()).expected_nmae_percent
        solved = engine().solve(points, REFERENCE_LOAD_NEWTON)[0].field
        found = agreement(points, predicted, solved)
        p99, true = (float(np.quantile(field.von_mises[body], INNER_QUANTILE)) for field in (predicted, solved))
        print(
            f"{source.name}; {found.nmae_percent:.2f}; {told:.2f}; {100.0 * (p99 / true - 1.0):+.1f}; "
            f"{found.peak_error_percent:+.1f}",
            flush=True,
        )

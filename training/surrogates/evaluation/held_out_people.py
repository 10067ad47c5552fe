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
from workers.results.agreement import agreement

INNER_QUANTILE = 0.99
"""Of the body's nodes: the peak without the few nodes at the rims, where it depends on the mesh."""
SURROGATES: tuple[Surrogate, ...] = ("tangent", "refined")
"""The surrogates that are scored."""


def print_scores(sources: Iterable[Source], data: Path) -> None:
    """Morph, predict and solve each vertebra; print the error, the one that is told, and both peaks' changes.

    There is one line a vertebra and surrogate, the prediction alone and the refined one.
    """
    print("vertebra; surrogate; NMAE, %; told, %; 99th percentile, %; peak, %")
    for source in sources:
        surface, voxel_mm = read_surface(source, data)
        points = engine().morpher.morph(surface, voxel_mm).points
        solved = engine().solve(points, REFERENCE_LOAD_NEWTON)[0].field
        for surrogate in SURROGATES:
            print(f"{source.name}; {surrogate}; {_score(points, solved, surrogate)}", flush=True)


def _score(points: Floats, solved: StressField, surrogate: Surrogate) -> str:
    """Return the figures of one line."""
    body = engine().template.region == REGIONS.index("body")
    predicted, prediction = engine().predict_with_error(points, JobParams(surrogate=surrogate))
    found = agreement(points, predicted, solved)
    p99, true = (float(np.quantile(field.von_mises[body], INNER_QUANTILE)) for field in (predicted, solved))
    return (
        f"{found.nmae_percent:.3f}; {prediction.expected_nmae_percent:.3f}; {100.0 * (p99 / true - 1.0):+.1f}; "
        f"{found.peak_error_percent:+.1f}"
    )

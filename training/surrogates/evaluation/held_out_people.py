"""Score the shipped surrogate on vertebrae of people of whom neither shape model nor surrogate was made."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from app.contract.params import JobParams
from training.shapes.sources import Source, read_surface
from workers.engine import engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON

BODY_REGION = 0
"""Region of the template's nodes that is the vertebral body."""
INNER_QUANTILE = 0.99


def print_scores(sources: Iterable[Source], data: Path) -> None:
    """Morph, predict and solve each vertebra; print the error, the one that is told, and both peaks' changes."""
    print("vertebra; NMAE, %; told, %; 99th percentile, %; peak, %")
    body = engine().template.region == BODY_REGION
    for source in sources:
        surface, voxel_mm = read_surface(source, data)
        points = engine().morpher.morph(surface, voxel_mm).points
        predicted = engine().predict(points, REFERENCE_LOAD_NEWTON, "tangent")
        told = engine().estimate_error(points, predicted, JobParams()).expected_nmae_percent
        true = engine().solve(points, REFERENCE_LOAD_NEWTON)[0].field.von_mises
        p99 = np.quantile(predicted.von_mises[body], INNER_QUANTILE) / np.quantile(true[body], INNER_QUANTILE)
        peak = predicted.von_mises.max() / true.max()
        error = 100.0 * np.abs(predicted.von_mises - true).mean() / true.max()
        print(f"{source.name}; {error:.2f}; {told:.2f}; {100 * p99 - 100:+.1f}; {100 * peak - 100:+.1f}", flush=True)

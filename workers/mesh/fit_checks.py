"""Whether a fit is believed: the template does not fold, and its surface lies on the target's.

These two checks also judge the shape. The template folds over, or stays too far away, on anything but one whole
vertebra.
"""

from __future__ import annotations

import numpy as np

from app.contract.errors import MorphFailed
from models.types import Floats

MAX_FOLDED = 0.018
"""Share of tetrahedra that the fit alone may turn over. Whole vertebrae T11 to L5: up to 0.0035 (a T11), most 0; a thin
T11 that the networks outlined, in a trial with its triangles in five orders: 0.010 to 0.015. Two fused ones: 0.023 to
0.17. A vertebra without its arch: 0.02 to 0.04. A ball or a box: 0.15."""
WORST_MEAN_MM, WORST_P95_MM = 0.6, 2.5
"""Largest mean and 95th percentile of the surface distance of a fit to a smooth mesh. Whole vertebrae: up to 0.28 and
0.92 mm (spurs, bridges), with 5 mm slices 0.24 and 0.8. Fused pairs that do not fold the template: 0.9 and 5."""
MEAN_PER_VOXEL, P95_PER_VOXEL = 0.1, 0.2
"""Share of the voxel size by which the two limits grow: a coarse mask is a less certain target."""


def check_fold(volume: Floats) -> None:
    """Raise `MorphFailed` where too many of the tetrahedron volumes (m,) are not positive before any repair."""
    folded = float((volume <= 0.0).mean())
    if folded > MAX_FOLDED:
        raise MorphFailed(
            "The template folds over itself on this shape. Check that the label is one whole vertebra.",
            expected=f"at most {MAX_FOLDED:.1%} of the mesh turned over by the fit",
            got=f"{folded:.1%}",
        )


def check_distance(distance_mm: Floats, voxel_mm: float) -> None:
    """Raise `MorphFailed` where the surface distances (k,), mm, are too large for voxels of `voxel_mm`."""
    mean, p95 = float(distance_mm.mean()), float(np.quantile(distance_mm, 0.95))
    worst_mean = WORST_MEAN_MM + MEAN_PER_VOXEL * voxel_mm
    worst_p95 = WORST_P95_MM + P95_PER_VOXEL * voxel_mm
    if mean > worst_mean or p95 > worst_p95:
        raise MorphFailed(
            "The template could not be fitted to the mask. Check that the label is one whole vertebra.",
            expected=f"mean surface distance <= {worst_mean:.2f} mm, 95th percentile <= {worst_p95:.2f} mm",
            got=f"{mean:.2f} mm, {p95:.2f} mm",
        )

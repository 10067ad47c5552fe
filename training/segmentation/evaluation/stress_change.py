"""What replacing the reference mask by a segmentation does to the stress."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workers.engine import Engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.imaging.volume import Volume
from workers.mask.cleaning import clean_mask
from workers.mesh.mask_surface import extract_surface

BODY_REGION = 0
"""Region of the template's nodes that is the vertebral body."""
INNER_QUANTILE = 0.99
"""Of the body's nodes: the peak without the few nodes at the rims, where it depends on the mesh."""


@dataclass(frozen=True)
class StressChange:
    """Von Mises stress with the segmentation against that with the reference mask, %.

    Attributes
    ----------
    nmae_percent
        Mean absolute error over the nodes, over the reference's peak (paper eq. 12).
    peak_change_percent
        Change of the largest value.
    inner_peak_change_percent
        Change of the 99th percentile of the vertebral body.
    """

    nmae_percent: float
    peak_change_percent: float
    inner_peak_change_percent: float


def compare_stress(engine: Engine, found: Volume, reference: Volume) -> StressChange:
    """Morph and predict with either mask (paper Fig. 2, C to E) under the reference load; compare node by node."""
    fields = []
    for mask in (found, reference):
        clean = clean_mask(mask, 1)
        mesh = engine.morpher.morph(extract_surface(clean.voxels, clean.affine), float(clean.spacing.max()))
        fields.append(engine.predict(mesh.points, REFERENCE_LOAD_NEWTON, "tangent").von_mises)
    a, b = fields
    body = engine.template.region == BODY_REGION
    return StressChange(
        100.0 * float(np.abs(a - b).mean() / b.max()),
        100.0 * float(a.max() / b.max() - 1.0),
        100.0 * float(np.quantile(a[body], INNER_QUANTILE) / np.quantile(b[body], INNER_QUANTILE) - 1.0),
    )

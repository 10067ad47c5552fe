"""The interior of the vertebral body: where trabecular density is measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.template import REGIONS, Template
from models.types import Bools

SEMI_AXES = (0.28, 0.25, 0.22)
"""Of the ellipsoid, over the body's width, depth and height. It then stays 4.6 mm and more from the surface."""
FORWARD = 0.06
"""How far before the middle its centre lies, over the body's depth: clear of the basivertebral vein, which enters in
the middle of the rear wall."""


@dataclass(frozen=True)
class Trabecular:
    """Means over the interior: density, mg/cm^3 of K2HPO4, and intensity, HU."""

    density: float
    hounsfield: float


def interior_elements(template: Template) -> Bools:
    """Return (m,) whether the centroid of an element of the template lies in the ellipsoid.

    Elements are the same anatomical places in every subject, so a subject's ellipsoid follows its body's shape.
    """
    body = template.nodes[
        np.isin(template.region, [REGIONS.index(name) for name in ("body", "superior_endplate", "inferior_endplate")])
    ]
    low, high = body.min(axis=0), body.max(axis=0)
    size = high - low
    low_end, high_end = (template.nodes[ids, 2].mean() for ids in (template.fixed_nodes, template.loaded_nodes))
    centre = (low + high) / 2.0 + [0.0, FORWARD * size[1], 0.0]
    centre[2], size[2] = (low_end + high_end) / 2.0, high_end - low_end
    away = (template.nodes[template.tets].mean(axis=1) - centre) / (np.array(SEMI_AXES) * size)
    return np.asarray(np.square(away).sum(axis=1) <= 1.0)

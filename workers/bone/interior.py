"""The interior of the vertebral body: where trabecular density is measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.template import REGIONS, Template
from models.types import Bools, Floats, Reals
from workers.geometry.weighted_statistics import weighted_percentiles

SEMI_AXES = (0.28, 0.25, 0.22)
"""Of the ellipsoid, over the body's width, depth and height. It then stays 4.6 mm and more from the surface."""
FORWARD = 0.06
"""How far before the middle its centre lies, over the body's depth: clear of the basivertebral vein, which enters in
the middle of the rear wall."""


MOST_DEVIATIONS, DEVIATION_OVER_QUARTILES = 3.0, 0.7413
"""What lies further from the median is not of its kind; and a standard deviation over the range of the middle half."""


@dataclass(frozen=True)
class Trabecular:
    """The bone of the interior, without what differs far from most of it: bone islands, chalk, cement, veins.

    Attributes
    ----------
    density, hounsfield
        Means, mg/cm^3 of K2HPO4 and HU.
    left_out
        Share of the interior's volume that was left out.
    """

    density: float
    hounsfield: float
    left_out: float

    @classmethod
    def of(cls, hounsfield: Reals, density: Reals, volumes: Floats) -> Trabecular:
        """Return that of the interior's elements: (k,) HU, (k,) mg/cm^3 and (k,) mm^3."""
        low, middle, high = weighted_percentiles(np.asarray(hounsfield, np.float64), volumes, (25.0, 50.0, 75.0))
        reach = MOST_DEVIATIONS * DEVIATION_OVER_QUARTILES * (high - low)
        kept = np.abs(hounsfield - middle) <= reach
        weights = volumes[kept]
        return cls(
            density=float(np.average(density[kept], weights=weights)),
            hounsfield=float(np.average(hounsfield[kept], weights=weights)),
            left_out=float(1.0 - weights.sum() / volumes.sum()),
        )


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

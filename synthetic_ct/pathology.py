"""Pathology of vertebrae: osteophytes at the rims of their endplates, and fractures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.types import Floats
from synthetic_ct.deformity import DEFORMITIES, MAX_HEIGHT_LOSS
from synthetic_ct.drawing_surface import REFERENCE_HALF_WIDTH_MM
from synthetic_ct.vertebra import Endplate, Vertebra

OSTEOPHYTE_SHARE = 0.4
"""Share of people with osteophytes. Chosen by eye."""
MEAN_OSTEOPHYTES = 0.5
"""Mean number of osteophytes of an endplate in these people. It differs between people, exponentially distributed."""
RIM_ANGLE = (-0.25, 1.25)
"""Part of the rim where osteophytes grow, in half turns from the right (0) over the front (0.5) to the left (1): not at
the back, where the canal is."""
OSTEOPHYTE_WIDTH_MM = (3.0, 6.0)
"""Standard deviation of the Gaussian that gives an osteophyte its outline. Chosen by eye on real CTs."""
OSTEOPHYTE_LENGTH_MM = (1.5, 8.0)
"""Chosen by eye on real CTs."""
OSTEOPHYTE_SLOPE = (-0.2, 0.8)
"""Direction of an osteophyte towards the disc, over its direction outwards: most bend around the disc."""

FRACTURED_SHARE = 0.15
"""Share of vertebrae with a fracture. Wide on purpose: more than in the population."""
HEIGHT_LOSS = (0.05, MAX_HEIGHT_LOSS)
"""From less than a mild deformity to a severe one by Genant's grades (`synthetic_ct.deformity`)."""


def add_osteophytes(random: np.random.Generator, vertebra: Vertebra, mean_count: float) -> Vertebra:
    """Return the vertebra with osteophytes, on average `mean_count` at the rim of each endplate."""
    points = vertebra.points.copy()
    for endplate, outward in ((vertebra.superior, 1.0), (vertebra.inferior, -1.0)):
        for _ in range(random.poisson(mean_count)):
            angle = random.uniform(*RIM_ANGLE) * np.pi
            rim = _rim_vector(endplate, angle)
            distance = np.linalg.norm(points - endplate.centre - rim, axis=1)
            nearness = np.exp(-0.5 * np.square(distance / random.uniform(*OSTEOPHYTE_WIDTH_MM)))
            slope = outward * random.uniform(*OSTEOPHYTE_SLOPE)
            direction = rim / np.linalg.norm(rim) + slope * endplate.axes[2]
            points += random.uniform(*OSTEOPHYTE_LENGTH_MM) * nearness[:, None] * direction
    return replace(vertebra, points=points)


def _rim_vector(endplate: Endplate, angle: float) -> Floats:
    """Return (3,) mm from an endplate's centre to its rim; angle 0 is the right, half a pi the front."""
    right, forward, _ = endplate.axes
    right_share, forward_share = np.cos(angle) * endplate.half_width, np.sin(angle) * endplate.half_depth
    return np.asarray(right_share * right + forward_share * forward)


def fracture(random: np.random.Generator, vertebrae: list[Vertebra]) -> list[Vertebra]:
    """Return the vertebrae, a random share of them wedged, biconcave or crushed.

    The vertebrae above sink with the upper endplate of a wedged or crushed one. They do not turn, because the other
    vertebrae and the hips compensate for a wedge. Nothing sinks above a biconcave one, because it keeps its rim.
    """
    fractured = list(vertebrae)
    for i in range(len(fractured)):
        if random.random() >= FRACTURED_SHARE:
            continue
        kind = DEFORMITIES[random.integers(len(DEFORMITIES))]
        before = fractured[i]
        loss = random.uniform(*HEIGHT_LOSS)
        change = before.surface.deformities[kind] * loss * before.superior.half_width / REFERENCE_HALF_WIDTH_MM
        fractured[i] = replace(before, points=before.points + change @ before.superior.axes)
        if kind != "biconcave":
            sink = fractured[i].superior.centre - before.superior.centre
            fractured[:i] = [replace(v, points=v.points + sink) for v in fractured[:i]]
    return fractured

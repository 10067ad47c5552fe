"""What age does to a spine: spurs at the rims of the endplates, vertebrae that collapse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from synthetic_ct.deformity import DEFORMITIES
from synthetic_ct.vertebra import Vertebra

DEFORMED_SHARE, MOST_LOST = 0.15, 0.45
"""How many vertebrae are wedged, biconcave or crushed, by how much of their height."""
WORN_SHARE, SPURS = 0.4, 0.5
"""How many people have spurs at the rims of their endplates; how many at each of them in the mean."""


def worn(random: np.random.Generator, vertebra: Vertebra, spurs: float) -> Vertebra:
    """Return the vertebra with about so many spurs at the front and the sides of each endplate's rim."""
    points = vertebra.points.copy()
    for plate, outward in ((vertebra.superior, 1.0), (vertebra.inferior, -1.0)):
        right, forward, up = plate.axes
        for _ in range(random.poisson(spurs)):
            angle = random.uniform(-0.25, 1.25) * np.pi
            radial = np.cos(angle) * plate.half_width * right + np.sin(angle) * plate.half_depth * forward
            near = np.exp(
                -0.5 * np.square(np.linalg.norm(points - plate.centre - radial, axis=1) / random.uniform(3, 6))
            )
            way = radial / np.linalg.norm(radial) + outward * random.uniform(-0.2, 0.8) * up
            points += random.uniform(1.5, 8.0) * near[:, None] * way
    return replace(vertebra, points=points)


def collapsed(random: np.random.Generator, vertebrae: list[Vertebra]) -> list[Vertebra]:
    """Return the vertebrae, some of them wedged, biconcave or crushed; what is above sinks with the upper endplate.

    It is not turned: others of the spine, and the hips, make up for a wedge.
    """
    out = list(vertebrae)
    for i in range(len(out)):
        if random.random() >= DEFORMED_SHARE:
            continue
        kind = DEFORMITIES[random.integers(len(DEFORMITIES))]
        before = out[i]
        change = before.skin.deform[kind] * random.uniform(0.05, MOST_LOST) * before.superior.half_width / 24.0
        out[i] = replace(before, points=before.points + change @ before.superior.axes)
        if kind != "biconcave":  # its rim stays up
            sink = out[i].superior.centre - before.superior.centre
            out[:i] = [replace(v, points=v.points + sink) for v in out[:i]]
    return out

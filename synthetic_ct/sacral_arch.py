"""The rear part of the sacrum and its foramina.

`axes` (3, 3) are those of a sacral body: right, forward, down. `side` is -1 on the left and 1 on the right. `size` is
a factor of most sizes, which are chosen by eye on real CTs.
"""

from __future__ import annotations

import numpy as np

from models.types import Floats
from synthetic_ct.solids import Tube
from synthetic_ct.vertebra import Vertebra

HALF_WIDTH_MM = np.array([25.0, 21.0, 17.0, 15.0, 13.0, 9.0])
HALF_DEPTH_MM = np.array([16.0, 12.0, 9.0, 8.0, 7.0, 5.0])
"""Half width and half depth of the upper ends of the five sacral bodies, and of the lower end of the last one."""

CREST_MM, CREST_DECREASE = 26.0, 0.12
"""Distance of the median crest behind the first body, and the share of it that is lost from body to body."""
CREST_LENGTH_MM = 9.0
"""Length of the crest downwards."""
LAMINA_FOOT, LAMINA_BEND = 0.8, 0.75
"""Lateral position where the lamina leaves a body and where it bends, over the body's half width."""
LAMINA_BEND_MM = 12.0
"""Distance of that bend behind the body."""
LAMINA_RADIUS_MM = 4.5
"""Half of the thickness of lamina and crest."""

FACET_NODES = 8
"""Number of nodes of the last vertebra whose mean is the tip of its lower articular process."""
FACET_LATERAL = 0.6
"""These nodes are the lowest ones, where each mm to the side counts as 0.6 mm further down."""
FACET_FOOT_MM, FACET_FOOT_UP_MM = 4.0, 8.0
"""Distance of the foot of the sacrum's articular process behind the first body, and above its centre."""
FACET_BEND_MM, FACET_GAP_MM = 5.0, 7.0
"""Bend of the process to the side, and distance of its end beside the vertebra's process."""
FACET_RADIUS_MM = 6.0
"""Half of the thickness of the process."""

FORAMINA = (1, 2)
"""Numbers of the foramina, from the top. The third and the fourth are small and are left out."""
FORAMEN_RADIUS_MM, FORAMEN_DECREASE = (4.0, 6.5), 0.4
"""Radius of the first foramen. The others are smaller by their number to this power."""
FORAMEN_GAP_MM = 1.0
"""Bone between the bodies and a foramen."""
FORAMEN_FRONT_MM, FORAMEN_BACK_MM = 30.0, 45.0
"""Length of a foramen in front of the bodies' centres and behind them: it passes through the whole sacrum."""
FORAMEN_STEP_MM = 1.5
"""Distance of a foramen's spheres, which are smaller than those of bones."""


def make_lamina(side: float, size: float, i: int, body: Floats, axes: Floats) -> Tube:
    """Return one side of the arch behind body `i` (0 to 4), whose centre is `body` (3,), and the crest."""
    right, front, down = axes
    crest = body - (size * HALF_DEPTH_MM[i] + CREST_MM * size * (1.0 - CREST_DECREASE * i)) * front
    foot = body + side * size * HALF_WIDTH_MM[i] * LAMINA_FOOT * right - size * HALF_DEPTH_MM[i] * front
    lateral = side * size * HALF_WIDTH_MM[i] * LAMINA_BEND * right
    bend = body + lateral - size * (HALF_DEPTH_MM[i] + LAMINA_BEND_MM) * front
    return Tube.along(np.array([foot, bend, crest, crest + CREST_LENGTH_MM * down]), LAMINA_RADIUS_MM)


def make_facet(side: float, size: float, last: Vertebra, body: Floats, axes: Floats) -> Tube:
    """Return the upper articular process, which meets the lower one of the `last` vertebra; `body` (3,) is S1."""
    right, front, down = axes
    endplate = last.inferior
    offset = last.points - endplate.centre
    lowest = np.argsort(offset @ endplate.axes[2] - FACET_LATERAL * side * (offset @ endplate.axes[0]))[:FACET_NODES]
    facet = last.points[lowest].mean(axis=0)
    behind = HALF_DEPTH_MM[0] + FACET_FOOT_MM
    foot = body + size * (side * HALF_WIDTH_MM[0] * right - behind * front) - FACET_FOOT_UP_MM * down
    bend = 0.5 * (foot + facet) + FACET_BEND_MM * side * right
    return Tube.along(np.array([foot, bend, facet + FACET_GAP_MM * side * right]), FACET_RADIUS_MM)


def make_foramen(random: np.random.Generator, side: float, size: float, i: int, end: Floats, axes: Floats) -> Tube:
    """Return foramen `i`, a hole from front to back beside `end` (3,), where body i + 1 begins."""
    radius = size * random.uniform(*FORAMEN_RADIUS_MM) / i**FORAMEN_DECREASE
    middle = end + side * (size * HALF_WIDTH_MM[i] + radius + FORAMEN_GAP_MM) * axes[0]
    corners = np.array([middle + FORAMEN_FRONT_MM * axes[1], middle, middle - FORAMEN_BACK_MM * axes[1]])
    return Tube.along(corners, radius, FORAMEN_STEP_MM)

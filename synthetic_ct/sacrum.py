"""The sacrum of a synthetic person, as simple solids.

The sizes are chosen by eye on real CTs. They are those of a sacrum whose first body is 50 mm wide, and scale with the
last vertebra. Corners are given along the first body's axes: lateral, forward, down.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.types import Floats
from synthetic_ct.sacral_arch import FORAMINA, HALF_DEPTH_MM, HALF_WIDTH_MM, make_facet, make_foramen, make_lamina
from synthetic_ct.solids import Hull, Tube, ellipse
from synthetic_ct.vertebra import Endplate, Vertebra

REFERENCE_HALF_WIDTH_MM = 25.0
"""Half width of the first body to which the sizes below belong."""
HEIGHT_MM = np.array([29.0, 25.0, 21.0, 18.0, 16.0])
"""Heights of the five bodies."""
N_BODIES = 5
SLOPE_DEG = (0.0, 14.0)
"""Angle between the last vertebra's inferior endplate and the sacrum's endplate."""
BODIES_BENT_FORWARD = 2
"""Number of bodies below which the sacrum turns further forward. Below the others it turns back."""
FORWARD_BEND_DEG, BACKWARD_BEND_DEG = (-2.0, 8.0), (10.0, 24.0)
"""Turn from one body to the next. The sacrum is concave in front."""
DISC_MM = (6.0, 13.0)
"""Thickness of the lumbosacral disc."""

REMNANT_SHARE = 0.7
"""Share of sacra with remnants of the discs between the upper bodies. 61 % of 56 pelvises had discs in sacrum or
coccyx (Nayak et al., J Can Chiropr Assoc 60(2), 2016)."""
REMNANT_HALF_THICKNESS_MM = (0.5, 2.5)
"""Half of the thickness of the first remnant. The second is half as thick."""
REMNANT_WIDTH = 0.8
"""Width of a remnant over that of the bodies."""

JOINT_CORNERS_MM = np.array(
    [[0.0, 4.0, -6.0], [-4.0, -24.0, -10.0], [-10.0, -30.0, 22.0], [-16.0, -20.0, 44.0], [-4.0, -2.0, 30.0]]
)
"""Corners of the right joint with the hip bone. The first number counts from `JOINT_LATERAL_MM`."""
JOINT_LATERAL_MM = (48.0, 58.0)
"""Distance of the joint's most lateral corner from the median plane."""

ALA_INNER_MM = np.array([[0.75, 8.0, -10.0], [0.75, -14.0, -12.0]]) * [HALF_WIDTH_MM[0], 1.0, 1.0]
ALA_LOWER_MM = np.array([[0.7 * HALF_WIDTH_MM[1], 4.0, 0.0], [0.7 * HALF_WIDTH_MM[1], -10.0, 0.0]])
"""Corners of the right ala at the first body's centre and at the second body's."""
ALA_TAIL = np.array([[1.5], [0.9]])
"""Half width of the ala at the centres of the third and the fourth body, over that of these bodies."""


@dataclass(frozen=True)
class Sacrum:
    """A sacrum.

    Attributes
    ----------
    parts
        Solids of bone.
    holes
        The foramina, cut out of the bone.
    discs
        Remnants of the discs between its bodies, cut out of the bone.
    top
        (n, 3) nodes of its endplate, mm.
    bodies
        (5, 3) centres of its bodies, mm.
    axes
        (3, 3) rows: right, forward, down, of its first body.
    joint
        (5, 3) corners of the right joint with the hip bone, along `axes` from the first body's centre, mm.
    """

    parts: tuple[Hull | Tube, ...]
    holes: tuple[Tube, ...]
    discs: tuple[Hull, ...]
    top: Floats
    bodies: Floats
    axes: Floats
    joint: Floats

    @classmethod
    def below(cls, random: np.random.Generator, last: Vertebra) -> Sacrum:
        """Return a random sacrum below the last vertebra."""
        size = last.inferior.half_width / REFERENCE_HALF_WIDTH_MM
        slope = np.radians(random.uniform(*SLOPE_DEG))
        bends = np.radians([random.uniform(*FORWARD_BEND_DEG), random.uniform(*BACKWARD_BEND_DEG)])
        disc = random.uniform(*DISC_MM)
        remnant = random.uniform(*REMNANT_HALF_THICKNESS_MM) if random.random() < REMNANT_SHARE else 0.0
        ends, frames = _bodies(last.inferior, size, slope, bends, disc)
        half = size * np.column_stack([HALF_WIDTH_MM, HALF_DEPTH_MM])
        rings = [ellipse(end, frames[min(i, N_BODIES - 1)][:2], half[i]) for i, end in enumerate(ends)]
        bodies = np.array([0.5 * (upper + lower) for upper, lower in pairwise(ends)])
        joint = size * (JOINT_CORNERS_MM + np.array([random.uniform(*JOINT_LATERAL_MM), 0.0, 0.0]))
        parts: list[Hull | Tube | None] = [Hull.of(np.concatenate(pair)) for pair in pairwise(rings)]
        holes = []
        for side in (-1.0, 1.0):
            parts.append(_ala(side, size, bodies, frames[0], joint))
            parts += [make_lamina(side, size, i, bodies[i], frames[i]) for i in range(N_BODIES)]
            parts.append(make_facet(side, size, last, bodies[0], frames[0]))
            holes += [make_foramen(random, side, size, i, ends[i], frames[i]) for i in FORAMINA]
        discs = [_remnant(remnant / i, ends[i], rings[i], frames[i]) for i in (1, 2) if remnant]
        return cls(
            tuple(part for part in parts if part),
            tuple(holes),
            tuple(disc for disc in discs if disc),
            rings[0],
            bodies,
            frames[0],
            joint,
        )

    def joint_corners(self, side: float, gap: float) -> Floats:
        """Return (5, 3) mm RAS: the corners of a joint with the hip bone (side -1 or 1), `gap` mm further out."""
        return np.asarray(self.bodies[0] + ((self.joint + np.array([gap, 0.0, 0.0])) * [side, 1.0, 1.0]) @ self.axes)


def _bodies(
    endplate: Endplate, size: float, slope: float, bends: Floats, disc: float
) -> tuple[list[Floats], list[Floats]]:
    """Return the six ends (3,) of the bodies, mm, and the five bodies' axes (3, 3): right, forward, down."""
    right, forward, up = endplate.axes
    ends, frames = [endplate.centre - disc * up], []
    angle = slope
    for i, height in enumerate(size * HEIGHT_MM):
        down = -up * np.cos(angle) - forward * np.sin(angle)
        frames.append(np.stack([right, forward * np.cos(angle) - up * np.sin(angle), down]))
        ends.append(ends[-1] + height * down)
        angle += bends[0] if i < BODIES_BENT_FORWARD else -bends[1]
    return ends, frames


def _remnant(half_thickness: float, end: Floats, ring: Floats, axes: Floats) -> Hull | None:
    """Return the remnant of a disc at the end (3,) of a body, whose outline there is `ring` (n, 3)."""
    outline = end + REMNANT_WIDTH * (ring - end)
    return Hull.of(np.concatenate([outline + offset * axes[2] for offset in (-half_thickness, half_thickness)]))


def _ala(side: float, size: float, bodies: Floats, axes: Floats, joint: Floats) -> Hull | None:
    """Return the lateral mass between the bodies and the joint."""
    points = [
        bodies[0] + (size * ALA_INNER_MM * [side, 1.0, 1.0]) @ axes,
        bodies[1] + (size * ALA_LOWER_MM * [side, 1.0, 1.0]) @ axes,
        bodies[2:4] + side * size * HALF_WIDTH_MM[2:4, None] * ALA_TAIL * axes[0],
        bodies[0] + (joint * [side, 1.0, 1.0]) @ axes,
    ]
    return Hull.of(np.concatenate(points))

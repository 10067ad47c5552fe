"""The sacrum of a synthetic person, as simple solids.

Sizes are those of a sacrum whose first body is 50 mm wide, chosen by eye on real CTs. All of them scale with the last
vertebra. Corners are given along the first body's axes: lateral, forward, down.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.types import Floats
from synthetic_ct.solids import Hull, Tube, ellipse
from synthetic_ct.vertebra import Endplate, Vertebra

REFERENCE_HALF_WIDTH_MM = 25.0
"""Half width of the first body to which the sizes below belong."""
HALF_WIDTH_MM = np.array([25.0, 21.0, 17.0, 15.0, 13.0, 9.0])
HALF_DEPTH_MM = np.array([16.0, 12.0, 9.0, 8.0, 7.0, 5.0])
"""Of the upper ends of the five bodies and of the lowest end."""
HEIGHT_MM = np.array([29.0, 25.0, 21.0, 18.0, 16.0])
"""Of the five bodies."""
SLOPE_DEG = (0.0, 14.0)
"""Forward slope of the first body against the inferior endplate of the last vertebra."""
CURVE_DEG = ((-2.0, 8.0), (10.0, 24.0))
"""Forward bend from body to body in the upper sacrum, and backward bend in the lower: the sacrum is concave in front.
Ranges."""
BODIES_BENT_FORWARD = 2
DISC_MM = (6.0, 13.0)
"""Thickness of the lumbosacral disc. Chosen by eye on real CTs."""
N_BODIES = 5

REMNANT_SHARE = 0.7
"""Share of sacra with remnants of the discs between the upper bodies. 61 % of 56 pelvises had discs in sacrum or
coccyx (Nayak et al., J Can Chiropr Assoc 60(2), 2016)."""
REMNANT_HALF_THICKNESS_MM = (0.5, 2.5)
REMNANT_WIDTH_SHARE = 0.8
"""Width of a remnant over that of the bodies. The second remnant is half as thick as the first."""

JOINT_CORNERS_MM = np.array(
    [[0.0, 4.0, -6.0], [-4.0, -24.0, -10.0], [-10.0, -30.0, 22.0], [-16.0, -20.0, 44.0], [-4.0, -2.0, 30.0]]
)
"""Joint with the hip bone: corners beside the first body's centre, from the joint's most lateral point."""
JOINT_LATERAL_MM = (48.0, 58.0)
"""Distance of that point from the median plane."""

ALA_INNER_MM = np.array([[0.75, 8.0, -10.0], [0.75, -14.0, -12.0]]) * [HALF_WIDTH_MM[0], 1.0, 1.0]
ALA_LOWER_MM = np.array([[0.7 * HALF_WIDTH_MM[1], 4.0, 0.0], [0.7 * HALF_WIDTH_MM[1], -10.0, 0.0]])
"""Where the ala leaves the first and the second body."""
ALA_TAIL = np.array([[1.5], [0.9]])
"""How far the ala reaches beside the third and the fourth body, over their half widths."""

CREST_MM = 26.0
CREST_DECREASE = 0.12
"""Height of the median crest behind the first body, and the share by which it decreases from body to body."""
CREST_LENGTH_MM = 9.0
LAMINA_FOOT, LAMINA_BEND = 0.8, 0.75
"""Where the arch leaves a body and where it bends, over the body's half width."""
LAMINA_BEND_MM = 12.0
"""How far behind the body the arch bends."""
LAMINA_RADIUS_MM = 4.5

FACET_NODES = 8
"""Nodes of the last vertebra, lowest and most lateral ones, whose mean is its lower articular process."""
FACET_LATERAL = 0.6
"""Weight of lateral against low in choosing those nodes."""
FACET_FOOT_MM, FACET_FOOT_UP_MM = 4.0, 8.0
"""Foot of the sacrum's articular process: behind the first body, and above its centre."""
FACET_BEND_MM, FACET_GAP_MM = 5.0, 7.0
"""How far the process bends to the side, and how far beside the vertebra's process it ends."""
FACET_RADIUS_MM = 6.0

FORAMEN_RADIUS_MM = (4.0, 6.5)
FORAMEN_DECREASE = 0.4
"""A foramen's radius falls with the body's number to this power."""
FORAMEN_GAP_MM = 1.0
"""Bone between a body and its foramen."""
FORAMEN_FRONT_MM, FORAMEN_BACK_MM = 30.0, 45.0
"""How far a foramen reaches before and behind the bodies' ends: through the whole sacrum."""
FORAMEN_STEP_MM = 1.5
FORAMINA = (1, 2)
"""Ends of bodies that have foramina beside them: of the first and of the second. Lower ones are hardly seen."""


@dataclass(frozen=True)
class Sacrum:
    """A sacrum.

    Attributes
    ----------
    parts
        Its bone.
    holes
        The foramina: no bone.
    discs
        Remnants of the discs between its bodies: no bone.
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
        """Make one below the last vertebra."""
        size = last.inferior.half_width / REFERENCE_HALF_WIDTH_MM
        slope = np.radians(random.uniform(*SLOPE_DEG))
        bends = np.radians(random.uniform(*np.transpose(CURVE_DEG)))
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
            parts += [_lamina(side, size, i, bodies[i], frames[i]) for i in range(N_BODIES)]
            parts.append(_facet(side, size, last, bodies[0], frames[0]))
            holes += [_foramen(random, side, size, i, ends[i], frames[i]) for i in FORAMINA]
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
    """Return what is left of the disc at the lower end of a body."""
    outline = end + REMNANT_WIDTH_SHARE * (ring - end)
    return Hull.of(np.concatenate([outline + offset * axes[2] for offset in (-half_thickness, half_thickness)]))


def _ala(side: float, size: float, bodies: Floats, axes: Floats, joint: Floats) -> Hull | None:
    """Return the mass beside the bodies, out to the joint."""
    points = [
        bodies[0] + (size * ALA_INNER_MM * [side, 1.0, 1.0]) @ axes,
        bodies[1] + (size * ALA_LOWER_MM * [side, 1.0, 1.0]) @ axes,
        bodies[2:4] + side * size * HALF_WIDTH_MM[2:4, None] * ALA_TAIL * axes[0],
        bodies[0] + (joint * [side, 1.0, 1.0]) @ axes,
    ]
    return Hull.of(np.concatenate(points))


def _lamina(side: float, size: float, i: int, body: Floats, axes: Floats) -> Tube:
    """Return half of the arch behind body `i`, with half of the crest."""
    right, front, down = axes
    crest = body - (size * HALF_DEPTH_MM[i] + CREST_MM * size * (1.0 - CREST_DECREASE * i)) * front
    foot = body + side * size * HALF_WIDTH_MM[i] * LAMINA_FOOT * right - size * HALF_DEPTH_MM[i] * front
    lateral = side * size * HALF_WIDTH_MM[i] * LAMINA_BEND * right
    bend = body + lateral - size * (HALF_DEPTH_MM[i] + LAMINA_BEND_MM) * front
    return Tube.along(np.array([foot, bend, crest, crest + CREST_LENGTH_MM * down]), LAMINA_RADIUS_MM)


def _facet(side: float, size: float, last: Vertebra, body: Floats, axes: Floats) -> Tube:
    """Return the upper articular process, up to the lower one of the last vertebra."""
    right, front, down = axes
    endplate = last.inferior
    offset = last.points - endplate.centre
    lowest = np.argsort(offset @ endplate.axes[2] - FACET_LATERAL * side * (offset @ endplate.axes[0]))[:FACET_NODES]
    facet = last.points[lowest].mean(axis=0)
    behind = HALF_DEPTH_MM[0] + FACET_FOOT_MM
    foot = body + size * (side * HALF_WIDTH_MM[0] * right - behind * front) - FACET_FOOT_UP_MM * down
    bend = 0.5 * (foot + facet) + FACET_BEND_MM * side * right
    return Tube.along(np.array([foot, bend, facet + FACET_GAP_MM * side * right]), FACET_RADIUS_MM)


def _foramen(random: np.random.Generator, side: float, size: float, i: int, end: Floats, axes: Floats) -> Tube:
    """Return a hole from front to back beside the upper end of body `i`."""
    radius = size * random.uniform(*FORAMEN_RADIUS_MM) / i**FORAMEN_DECREASE
    middle = end + side * (size * HALF_WIDTH_MM[i] + radius + FORAMEN_GAP_MM) * axes[0]
    corners = np.array([middle + FORAMEN_FRONT_MM * axes[1], middle, middle - FORAMEN_BACK_MM * axes[1]])
    return Tube.along(corners, radius, FORAMEN_STEP_MM)

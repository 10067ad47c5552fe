"""The sacrum and the hip bones of a synthetic person, as simple solids.

Sizes follow a sacrum whose first body is 50 mm wide; all of it scales with the last vertebra.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.types import Floats
from synthetic_ct.solids import Hull, Tube, ellipse
from synthetic_ct.vertebra import Vertebra

WIDTH = np.array([25.0, 21.0, 17.0, 15.0, 13.0, 9.0])
DEPTH = np.array([16.0, 12.0, 9.0, 8.0, 7.0, 5.0])
HEIGHT = np.array([29.0, 25.0, 21.0, 18.0, 16.0])
"""Half width and half depth of the five bodies' upper ends and of the lowest end, their heights, mm."""
JOINT = np.array(
    [[0.0, 4.0, -6.0], [-4.0, -24.0, -10.0], [-10.0, -30.0, 22.0], [-16.0, -20.0, 44.0], [-4.0, -2.0, 30.0]]
)
"""Corners of the joint with the hip bone: lateral of its widest place, before and below the first body's centre."""
REMNANT_SHARE = 0.7
"""How many sacra show what is left of the discs between their upper bodies."""


@dataclass(frozen=True)
class Sacrum:
    """A sacrum.

    Attributes
    ----------
    parts
        Its bone.
    holes
        Where there is none: the foramina.
    discs
        What is left of the discs between its bodies; no bone either.
    top
        (n, 3) nodes of its endplate.
    bodies
        (5, 3) centres of its bodies.
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
        plate = last.inferior
        right, forward, up = plate.axes
        size = plate.half_width / 25.0
        angle = np.radians(random.uniform(0.0, 14.0))
        onward, back = np.radians(random.uniform([-2.0, 10.0], [8.0, 24.0]))  # concave in front
        at = plate.centre - random.uniform(6.0, 13.0) * up
        remnants = random.uniform(0.5, 2.5) if random.random() < REMNANT_SHARE else 0.0
        ends, frames = [at], []
        for i, height in enumerate(size * HEIGHT):
            down = -up * np.cos(angle) - forward * np.sin(angle)
            frames.append(np.stack([right, forward * np.cos(angle) - up * np.sin(angle), down]))
            ends.append(ends[-1] + height * down)
            angle += onward if i < 2 else -back
        rings = [
            ellipse(end, frames[min(i, 4)][:2], size * np.array([WIDTH[i], DEPTH[i]])) for i, end in enumerate(ends)
        ]
        bodies = np.array([0.5 * (upper + lower) for upper, lower in pairwise(ends)])
        joint = size * (JOINT + np.array([random.uniform(48.0, 58.0), 0.0, 0.0]))
        parts: list[Hull | Tube | None] = [Hull.of(np.concatenate(pair)) for pair in pairwise(rings)]
        holes = []
        for side in (-1.0, 1.0):
            parts.append(_ala(side, size, bodies, frames[0], joint))
            parts += [_lamina(side, size, i, bodies[i], frames[i]) for i in range(5)]
            parts.append(_facet(side, size, last, bodies[0], frames[0]))
            holes += [_foramen(random, side, size, i, ends[i], frames[i]) for i in (1, 2)]
        discs = [
            Hull.of(np.concatenate([ring_at + (off / i) * frames[i][2] for off in (-remnants, remnants)]))
            for i in (1, 2)
            if remnants
            for ring_at in [ends[i] + 0.8 * (rings[i] - ends[i])]
        ]
        return cls(
            tuple(part for part in parts if part),
            tuple(holes),
            tuple(disc for disc in discs if disc),
            rings[0],
            bodies,
            frames[0],
            joint,
        )

    def corners(self, side: float, away: float) -> Floats:
        """Return (5, 3) mm the corners of a joint with the hip bone (side -1 or 1), `away` mm further out."""
        return np.asarray(self.bodies[0] + ((self.joint + np.array([away, 0.0, 0.0])) * [side, 1.0, 1.0]) @ self.axes)


def _ala(side: float, size: float, bodies: Floats, axes: Floats, joint: Floats) -> Hull | None:
    """Return the mass beside the bodies, out to the joint."""
    inner = np.array([[0.75, 8.0, -10.0], [0.75, -14.0, -12.0]]) * [WIDTH[0], 1.0, 1.0]
    lower = np.array([[0.7 * WIDTH[1], 4.0, 0.0], [0.7 * WIDTH[1], -10.0, 0.0]])
    points = [
        bodies[0] + (size * inner * [side, 1.0, 1.0]) @ axes,
        bodies[1] + (size * lower * [side, 1.0, 1.0]) @ axes,
        bodies[2:4] + side * size * WIDTH[2:4, None] * [[1.5], [0.9]] * axes[0],
        bodies[0] + (joint * [side, 1.0, 1.0]) @ axes,
    ]
    return Hull.of(np.concatenate(points))


def _lamina(side: float, size: float, i: int, body: Floats, axes: Floats) -> Tube:
    """Return half of the arch behind a body, with half of the crest."""
    right, front, down = axes
    crest = body - (size * DEPTH[i] + 26.0 * size * (1.0 - 0.12 * i)) * front
    foot = body + side * size * WIDTH[i] * 0.8 * right - size * DEPTH[i] * front
    lamina = body + side * size * WIDTH[i] * 0.75 * right - size * (DEPTH[i] + 12.0) * front
    return Tube.along(np.array([foot, lamina, crest, crest + 9.0 * down]), 4.5)


def _facet(side: float, size: float, last: Vertebra, body: Floats, axes: Floats) -> Tube:
    """Return the upper articular process, up to the lower one of the last vertebra."""
    right, front, down = axes
    plate = last.inferior
    off = last.points - plate.centre
    facet = last.points[np.argsort(off @ plate.axes[2] - 0.6 * side * (off @ plate.axes[0]))[:8]].mean(axis=0)
    foot = body + size * (side * WIDTH[0] * right - (DEPTH[0] + 4.0) * front) - 8.0 * down
    end = facet + 7.0 * side * right
    return Tube.along(np.array([foot, 0.5 * (foot + facet) + 5.0 * side * right, end]), 6.0)


def _foramen(random: np.random.Generator, side: float, size: float, i: int, end: Floats, axes: Floats) -> Tube:
    """Return a hole from front to back beside the end of a body."""
    radius = size * random.uniform(4.0, 6.5) / i**0.4
    middle = end + side * (size * WIDTH[i] + radius + 1.0) * axes[0]
    return Tube.along(np.array([middle + 30.0 * axes[1], middle, middle - 45.0 * axes[1]]), radius, 1.5)


def hip_bones(random: np.random.Generator, sacrum: Sacrum) -> tuple[Tube, ...]:
    """Return iliac wings, hip joints, thighs and pubic arch as chains of balls, close to the sacrum at its joints."""
    s, gap, half = random.uniform(0.92, 1.08), random.uniform(0.5, 4.0), random.uniform(4.5, 7.0)
    crest, rise = random.uniform(25.0, 60.0), random.uniform(8.0, 25.0)
    out = []
    for side in (-1.0, 1.0):
        joint = sacrum.corners(side, gap + half)
        widest = side * (joint[0] - sacrum.bodies[0])[0] / 62.0

        def at(x: float, y: float, z: float, side: float = side, wide: float = widest) -> Floats:
            return np.asarray(sacrum.bodies[0] + [side * wide * x, s * y, s * z])

        behind = joint[2] - 14.0 * sacrum.axes[1]
        above = joint[1] - 8.0 * sacrum.axes[1] - rise * sacrum.axes[2]
        rim = [behind, above, at(100, -2, crest), at(128, 40, crest - 18), at(126, 72, -20), at(112, 74, -50)]
        hub = [joint[3], joint[4], at(74, 6, -65), at(88, 24, -80), at(94, 36, -90), at(98, 44, -92)]
        for i, ((rim_a, rim_b), (hub_a, hub_b)) in enumerate(zip(pairwise(rim), pairwise(hub), strict=True)):
            n = np.array([np.linalg.norm(rim_b - rim_a), np.linalg.norm(hub_a - rim_a)]) / 4.0
            u, w = np.meshgrid(np.linspace(0, 1, int(n[0]) + 2), np.linspace(0, 1, int(n[1]) + 2))
            u, w = u.ravel()[:, None], w.ravel()[:, None]
            start, root = rim_a * (1 - u) + rim_b * u, hub_a * (1 - u) + hub_b * u
            thin = 0.35 if i else 0.0  # of even thickness at the joint
            out.append(Tube(start * (1 - w) + root * w, half * (1.0 - thin * (1.0 - 2.0 * np.abs(w.ravel() - 0.5)))))
        head = at(98, 30, -108)
        out.append(Tube(head[None], np.array([23.0 * s])))
        out.append(Tube.along(np.array([head, at(130, 26, -118), at(150, 20, -150), at(150, 18, -300)]), 14.0, 4.0))
        out.append(Tube.along(np.array([at(90, 40, -105), at(60, 70, -120), at(10, 84, -140)]), 8.0, 3.0))
        arch = np.array([at(92, 10, -120), at(75, 0, -160), at(45, 30, -170), at(15, 70, -150)])
        out.append(Tube.along(arch, 10.0, 3.0))
    return tuple(out)

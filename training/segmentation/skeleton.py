"""The bones around a synthetic spine: ribs, sacrum, pelvis; simple solids where only their place and size matter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from training.segmentation.spine import LEVELS, Spine, Vertebra

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tube:
    """A chain of balls: ``points`` (n, 3) mm and their ``radius`` (n,) mm."""

    points: Floats
    radius: Floats

    @classmethod
    def along(cls, corners: Floats, radius: float, step: float = 2.0) -> Tube:
        """Return a tube of one radius along a smooth curve through ``corners`` (n, 3), a ball every `step` mm."""
        points = _smooth(corners, step)
        return cls(points, np.full(len(points), radius))


@dataclass(frozen=True)
class Hull:
    """The convex hull of ``points`` (n, 3) mm."""

    points: Floats
    triangles: NDArray[np.int64]

    @classmethod
    def of(cls, points: Floats) -> Hull | None:
        """Return the hull, or None where the points are flat."""
        try:
            return cls(points, ConvexHull(points).simplices.astype(np.int64))
        except QhullError:
            return None


@dataclass(frozen=True)
class Torso:
    """The trunk's outline: an ellipse a level.

    Attributes
    ----------
    centre
        (2,) x and y of its middle, mm.
    half
        (2,) half width and half depth, mm.
    fat
        Thickness of the fat under the skin, mm.
    """

    centre: Floats
    half: Floats
    fat: float


@dataclass(frozen=True)
class Skeleton:
    """All bones but the vertebrae, and the discs."""

    ribs: tuple[Tube, ...]
    sacrum: tuple[Hull | Tube, ...]
    pelvis: tuple[Tube, ...]
    discs: tuple[Hull, ...]
    canal: Floats


NARROW = {"T1": 0.5, "T2": 0.66, "T3": 0.8, "T4": 0.9}
"""The upper ribs' circles over that of the chest."""


def make_torso(random: np.random.Generator, spine: Spine) -> Torso:
    """Return a trunk around the spine: thin to obese."""
    fat = random.uniform(4.0, 45.0)
    tips = np.array([v.tip(0) for v in spine.vertebrae])
    back = tips[:, 1].min() - 6.0 - fat * random.uniform(0.3, 1.0)
    depth = random.uniform(85.0, 120.0) + 0.7 * fat
    width = random.uniform(125.0, 165.0) + fat
    middle = np.mean([v.centre[0] for v in spine.vertebrae])
    return Torso(np.array([middle, back + depth]), np.array([width, depth]), fat)


def make_skeleton(random: np.random.Generator, spine: Spine, torso: Torso) -> Skeleton:
    """Return the bones around `spine` within `torso`."""
    ribs = []
    twelfth = random.uniform(15.0, 150.0) if random.random() > 0.04 else 0.0
    slope = random.uniform(0.25, 0.6)
    for vertebra in spine.vertebrae:
        if vertebra.level.startswith("T"):
            rank = LEVELS.index(vertebra.level) + 1
            length = {
                1: 120.0,
                2: 200.0,
                3: 260.0,
                12: twelfth,
                11: random.uniform(110.0, 230.0),
                10: random.uniform(220.0, 300.0),
            }.get(rank, 330.0)
            for side in (-1, 1):
                own = length * random.uniform(0.9, 1.1)
                if own > 10.0:
                    ribs.append(_rib(random, vertebra, side, own, torso, slope))
    last = spine.vertebrae[-1]
    discs = [
        hull
        for upper, lower in zip(spine.vertebrae, spine.vertebrae[1:], strict=False)
        if (hull := _disc(upper.points[upper.skin.inferior], lower.points[lower.skin.superior]))
    ]
    sacrum: tuple[Hull | Tube, ...] = ()
    pelvis: tuple[Tube, ...] = ()
    canal = [v.canal for v in spine.vertebrae]
    if last.level == "L5":
        sacrum, top, below = _sacrum(random, last)
        pelvis = _pelvis(random, below)
        if disc := _disc(last.points[last.skin.inferior], top):
            discs.append(disc)
        canal += list(below[:3] + np.array([0.0, -22.0, 0.0]))
    return Skeleton(tuple(ribs), sacrum, pelvis, tuple(discs), np.array(canal))


def _disc(above: Floats, below: Floats) -> Hull | None:
    points = np.concatenate([above, below])
    middle = points.mean(axis=0)
    return Hull.of(middle + (points - middle) * [1.02, 1.02, 1.0])


def _smooth(points: Floats, step: float) -> Floats:
    """Return a smooth curve through points (n, 3), sampled every `step` mm."""
    from scipy.interpolate import CubicSpline

    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return np.asarray(CubicSpline(along, points)(np.arange(0.0, along[-1], step)))


def _rib(random: np.random.Generator, v: Vertebra, side: int, length: float, torso: Torso, slope: float) -> Tube:
    """Return a rib: head at the body, tubercle at the transverse process, then round the chest and downwards."""
    right, forward, up = v.superior.axes
    plate = v.superior
    lateral = side * right * np.sign(right[0])
    head = plate.centre + 0.92 * plate.half_width * lateral - 0.75 * plate.half_depth * forward - 5.0 * up
    tip = v.tip(side)
    tubercle = tip + 4.0 * lateral + random.uniform(1.0, 4.0) * forward
    inner = torso.half - torso.fat - random.uniform(8.0, 16.0)
    inner = np.maximum(inner, [95.0, 65.0]) * NARROW.get(v.level, 1.0)
    start = np.arctan2((tubercle[0] - torso.centre[0]) / inner[0], -(tubercle[1] - torso.centre[1]) / inner[1])
    angle = start + side * np.linspace(0.0, 2.6, 60)
    ring = torso.centre + inner * np.column_stack([np.sin(angle), -np.cos(angle)])
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(ring, axis=0), axis=1))])
    fall = slope * arc * np.clip(arc / 60.0, 0.3, 1.0)
    path = np.column_stack([ring, tubercle[2] - fall])
    blend = np.exp(-arc / 45.0)[:, None]
    path = path + blend * (tubercle - path[0])
    own_side = (side * (path[:, 0] - torso.centre[0]) > 8.0) | (arc < 60.0)  # ribs end before the breastbone
    keep = (np.linalg.norm(tubercle - head) + arc < max(length, 25.0)) & np.logical_and.accumulate(own_side)
    curve = np.concatenate([[head, 0.55 * head + 0.45 * tubercle - 2.0 * forward], path[keep][::3]])
    points = _smooth(curve, 2.0)
    radius = np.full(len(points), random.uniform(3.2, 5.0))
    radius[-3:] *= 0.8
    return Tube(points, radius)


def _ellipse(centre: Floats, axes: Floats, half: Floats, n: int = 24) -> Floats:
    angle = np.linspace(0.0, 2.0 * np.pi, n, endpoint=False)
    return np.asarray(centre + np.cos(angle)[:, None] * half[0] * axes[0] + np.sin(angle)[:, None] * half[1] * axes[1])


def _sacrum(random: np.random.Generator, last: Vertebra) -> tuple[tuple[Hull | Tube, ...], Floats, Floats]:
    """Return the sacrum's parts, the nodes of its endplate and the centres (5, 3) of its bodies."""
    plate = last.inferior
    right, forward, up = plate.axes
    size = plate.half_width / 25.0
    tilt = np.radians(random.uniform(0.0, 14.0))
    at = plate.centre - random.uniform(6.0, 13.0) * up
    top: Floats | None = None
    parts: list[Hull | Tube] = []
    centres = []
    onward, back = np.radians(random.uniform([-2.0, 10.0], [8.0, 24.0]))  # concave in front
    width = size * np.array([25.0, 21.0, 17.0, 15.0, 13.0, 9.0])
    depth = size * np.array([16.0, 12.0, 9.0, 8.0, 7.0, 5.0])
    height = size * np.array([29.0, 25.0, 21.0, 18.0, 16.0])
    angle = tilt
    for i in range(5):
        down = -up * np.cos(angle) - forward * np.sin(angle)
        front = forward * np.cos(angle) - up * np.sin(angle)
        upper = _ellipse(at, np.stack([right, front]), np.array([width[i], depth[i]]))
        lower_at = at + height[i] * down
        lower = _ellipse(lower_at, np.stack([right, front]), np.array([width[i + 1], depth[i + 1]]))
        top = upper if top is None else top
        parts += [h for h in [Hull.of(np.concatenate([upper, lower]))] if h]
        centre = 0.5 * (at + lower_at)
        centres.append(centre)
        crest = centre - (depth[i] + 26.0 * size * (1 - 0.12 * i)) * front
        parts.append(Tube.along(np.array([crest - 8.0 * down, crest, crest + 10.0 * down]), 5.0))
        for side in (-1.0, 1.0):
            lamina = centre + side * (width[i] * 0.75) * right - (depth[i] + 12.0 * size) * front
            foot = centre + side * width[i] * 0.8 * right - depth[i] * front
            parts.append(Tube.along(np.array([foot, lamina, crest]), 4.0))
        at = lower_at
        angle += onward if i < 2 else -back
    assert top is not None
    middle = np.array(centres)
    for side in (-1.0, 1.0):
        wide = random.uniform(50.0, 60.0) * size
        ala = [
            middle[0] + side * width[0] * 0.8 * right + 11.0 * up + 6.0 * forward,
            middle[0] + side * width[0] * 0.8 * right + 8.0 * up - 18.0 * forward,
            middle[0] + side * wide * right + 2.0 * up - 4.0 * forward,
            middle[0] + side * wide * right + 2.0 * up - 26.0 * forward,
            middle[1] + side * (wide - 8.0) * right - 22.0 * forward,
            middle[1] + side * (wide - 8.0) * right - 6.0 * forward,
            middle[2] + side * width[2] * 1.6 * right - 8.0 * forward,
            middle[3] + side * width[3] * 0.9 * right,
        ]
        parts += [h for h in [Hull.of(np.array(ala))] if h]
        facet = last.points[
            np.argsort((last.points - plate.centre) @ up + 0.6 * side * -((last.points - plate.centre) @ right))[:8]
        ].mean(0)
        foot = middle[0] + side * width[0] * right - (depth[0] + 4.0) * forward + 8.0 * up
        end = facet + 7.0 * side * right
        parts.append(Tube.along(np.array([foot, 0.5 * (foot + facet) + 5.0 * side * right, end]), 6.0))
    return tuple(parts), top, middle


def _pelvis(random: np.random.Generator, sacrum: Floats) -> tuple[Tube, ...]:
    """Return iliac wings, hip joints and pubic arch as chains of balls."""
    out = []
    s = random.uniform(0.92, 1.08)
    for side in (-1.0, 1.0):
        origin = sacrum[0]

        def at(x: float, y: float, z: float, side: float = side, origin: Floats = origin) -> Floats:
            return np.asarray(origin + s * np.array([side * x, y, z]))

        crest = random.uniform(25.0, 60.0)
        fan = [
            at(52, -42, -22),
            at(68, -34, crest - 18),
            at(100, -2, crest),
            at(128, 40, crest - 18),
            at(126, 72, -20),
            at(112, 74, -50),
        ]
        hub = [at(58, -20, -45), at(62, -16, -50), at(74, 6, -65), at(88, 24, -80), at(94, 36, -90), at(98, 44, -92)]
        for rim_a, rim_b, hub_a, hub_b in zip(fan, fan[1:], hub, hub[1:], strict=False):
            u, w = np.meshgrid(np.linspace(0, 1, 12), np.linspace(0, 1, 24))
            u, w = u.ravel()[:, None], w.ravel()[:, None]
            rim, root = rim_a * (1 - u) + rim_b * u, hub_a * (1 - u) + hub_b * u
            out.append(Tube(rim * (1 - w) + root * w, 3.5 + 4.0 * np.abs(w.ravel() - 0.45)))
        head = at(98, 30, -108)
        out.append(Tube(head[None], np.array([23.0 * s])))
        out.append(Tube.along(np.array([head, at(130, 26, -118), at(150, 20, -150), at(150, 18, -300)]), 14.0, 4.0))
        out.append(Tube.along(np.array([at(90, 40, -105), at(60, 70, -120), at(10, 84, -140)]), 8.0, 3.0))
        arch = np.array([at(92, 10, -120), at(75, 0, -160), at(45, 30, -170), at(15, 70, -150)])
        out.append(Tube.along(arch, 10.0, 3.0))
    return tuple(out)

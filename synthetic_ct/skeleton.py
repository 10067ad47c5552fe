"""What is around a synthetic spine: ribs, discs, canal, the outline of the trunk; sacrum and hips of their own file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats
from synthetic_ct.bone_labels import THORACOLUMBAR_LEVELS
from synthetic_ct.pelvis import Sacrum, hip_bones
from synthetic_ct.solids import Hull, Tube, smooth
from synthetic_ct.vertebra import Spine, Vertebra


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
    """All bones but the vertebrae (the sacrum where the spine ends at one), the discs, points (n, 3) of the canal."""

    ribs: tuple[Tube, ...]
    sacrum: Sacrum | None
    hips: tuple[Tube, ...]
    discs: tuple[Hull, ...]
    canal: Floats


NARROW = {"T1": 0.5, "T2": 0.66, "T3": 0.8, "T4": 0.9}
"""The upper ribs' circles over that of the chest."""
LEAST_AHEAD_MM = 80.0
"""From the foremost vertebra's centre to where the fat in front begins: room for the organs of who stoops."""
MOST_BEHIND_MM = 25.0
"""How far a rib's circle reaches behind the rib's tubercle at most."""


def make_torso(random: np.random.Generator, spine: Spine) -> Torso:
    """Return a trunk around the spine: thin to obese."""
    fat = random.uniform(4.0, 45.0)
    tips = np.array([v.tip(0) for v in spine.vertebrae])
    back = tips[:, 1].min() - 6.0 - fat * random.uniform(0.3, 1.0)
    foremost = max(v.centre[1] for v in spine.vertebrae)
    depth = max(random.uniform(85.0, 120.0) + 0.7 * fat, 0.5 * (foremost + LEAST_AHEAD_MM + fat - back))
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
            rank = THORACOLUMBAR_LEVELS.index(vertebra.level) + 1
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
    sacrum: Sacrum | None = None
    hips: tuple[Tube, ...] = ()
    canal = [v.canal for v in spine.vertebrae]
    if last.level == "L5":
        sacrum = Sacrum.below(random, last)
        hips = hip_bones(random, sacrum)
        if disc := _disc(last.points[last.skin.inferior], sacrum.top):
            discs.append(disc)
        discs += sacrum.discs
        canal += list(sacrum.bodies[:3] - 22.0 * sacrum.axes[1])
    return Skeleton(tuple(ribs), sacrum, hips, tuple(discs), np.array(canal))


def _disc(above: Floats, below: Floats) -> Hull | None:
    points = np.concatenate([above, below])
    middle = points.mean(axis=0)
    return Hull.of(middle + (points - middle) * [1.02, 1.02, 1.0])


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
    back, front = torso.centre[1] + inner[1] * np.array([-1.0, 1.0])
    back = max(back, min(tubercle[1] - MOST_BEHIND_MM, front - 90.0))
    inner, centre = np.array([inner[0], 0.5 * (front - back)]), np.array([torso.centre[0], 0.5 * (front + back)])
    start = np.arctan2((tubercle[0] - centre[0]) / inner[0], -(tubercle[1] - centre[1]) / inner[1])
    angle = start + side * np.linspace(0.0, 2.6, 60)
    ring = centre + inner * np.column_stack([np.sin(angle), -np.cos(angle)])
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(ring, axis=0), axis=1))])
    fall = slope * arc * np.clip(arc / 60.0, 0.3, 1.0)
    path = np.column_stack([ring, tubercle[2] - fall])
    blend = np.exp(-arc / 45.0)[:, None]
    path = path + blend * (tubercle - path[0])
    own_side = (side * (path[:, 0] - torso.centre[0]) > 8.0) | (arc < 60.0)  # ribs end before the breastbone
    keep = (np.linalg.norm(tubercle - head) + arc < max(length, 25.0)) & np.logical_and.accumulate(own_side)
    curve = np.concatenate([[head, 0.55 * head + 0.45 * tubercle - 2.0 * forward], path[keep][::3]])
    points = smooth(curve, 2.0)
    radius = np.full(len(points), random.uniform(3.2, 5.0))
    radius[-3:] *= 0.8
    return Tube(points, radius)

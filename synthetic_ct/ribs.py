"""The ribs of a synthetic person: one a side for every thoracic vertebra."""

from __future__ import annotations

import numpy as np

from models.types import Floats
from synthetic_ct.bone_labels import THORACOLUMBAR_LEVELS
from synthetic_ct.solids import Tube, smooth_curve
from synthetic_ct.torso import Torso
from synthetic_ct.vertebra import Vertebra

LENGTH_MM = 330.0
"""Bony length of a rib that the following names do not give."""
UPPER_LENGTH_MM = {1: 120.0, 2: 200.0, 3: 260.0}
TENTH_MM, ELEVENTH_MM, TWELFTH_MM = (220.0, 300.0), (110.0, 230.0), (15.0, 150.0)
"""Wide on purpose: the twelfth may be rudimentary or 14 cm long (Bergman et al., Illustrated Encyclopedia of Human
Anatomic Variation)."""
NO_TWELFTH_SHARE = 0.04
"""Share of people without twelfth ribs. Wide on purpose, because the level may not depend on one rib alone."""
SIDE_FACTOR = (0.9, 1.1)
"""Length of one side's rib over the mean of both."""
LEAST_LENGTH_MM = 10.0
"""A shorter rib is left out."""
LEAST_DRAWN_MM = 25.0
"""A rib is drawn at least this long: from its head to a little beyond its tubercle."""
FALL = (0.25, 0.6)
"""Fall of a rib over its way round the chest. Chosen by eye on real CTs."""
FULL_FALL_MM, LEAST_FALL = 60.0, 0.3
"""A rib falls with its whole slope after this way, and with this share of it at the tubercle."""

HEAD_LATERAL, HEAD_BEHIND = 0.92, 0.75
"""Position of a rib's head, over the half width and the half depth of the superior endplate."""
HEAD_BELOW_MM = 5.0
TUBERCLE_LATERAL_MM = 4.0
TUBERCLE_FORWARD_MM = (1.0, 4.0)
"""Position of a rib's tubercle from the tip of the transverse process."""
NECK_SHARE = 0.45
"""Where the neck bends between head and tubercle; `NECK_BEHIND_MM`: how far it bends backwards."""
NECK_BEHIND_MM = 2.0

CHEST_WALL_MM = (8.0, 16.0)
"""Thickness of the muscle outside the ribs."""
LEAST_CHEST_MM = (95.0, 65.0)
"""Least half width and half depth of the chest."""
NARROW = {"T1": 0.5, "T2": 0.66, "T3": 0.8, "T4": 0.9}
"""Size of the upper ribs' ellipses over that of the chest."""
MOST_BEHIND_MM = 25.0
"""How far a rib's ellipse reaches behind the rib's tubercle at most."""
LEAST_DEPTH_MM = 90.0
"""Least depth of that ellipse."""
MOST_ANGLE = 2.6
"""Angle that a rib's path covers at most, radians, and `PATH_POINTS`, the points on it."""
PATH_POINTS = 60
JOIN_MM = 45.0
"""Way after which a rib has come from its tubercle to the chest's ellipse, up to 1/e."""
FREE_MM, FROM_MEDIAN_MM = 60.0, 8.0
"""After this way a rib ends where it comes this near to the median plane: in front of the breastbone."""
PATH_EVERY = 3
"""One of so many points of the path makes the smooth curve."""
STEP_MM = 2.0
RADIUS_MM = (3.2, 5.0)
END_POINTS, END_FACTOR = 3, 0.8
"""A rib's last spheres are smaller by this factor."""


def make_ribs(random: np.random.Generator, vertebrae: tuple[Vertebra, ...], torso: Torso) -> tuple[Tube, ...]:
    """Return the ribs of all thoracic vertebrae; the twelfth may be missing."""
    ribs = []
    twelfth = random.uniform(*TWELFTH_MM) if random.random() > NO_TWELFTH_SHARE else 0.0
    slope = random.uniform(*FALL)
    for vertebra in vertebrae:
        if not vertebra.level.startswith("T"):
            continue
        number = THORACOLUMBAR_LEVELS.index(vertebra.level) + 1
        eleventh, tenth = random.uniform(*ELEVENTH_MM), random.uniform(*TENTH_MM)
        length = (UPPER_LENGTH_MM | {12: twelfth, 11: eleventh, 10: tenth}).get(number, LENGTH_MM)
        for side in (-1, 1):
            of_side = length * random.uniform(*SIDE_FACTOR)
            if of_side > LEAST_LENGTH_MM:
                ribs.append(_make_rib(random, vertebra, side, of_side, torso, slope))
    return tuple(ribs)


def _make_rib(
    random: np.random.Generator, vertebra: Vertebra, side: int, length: float, torso: Torso, slope: float
) -> Tube:
    """Return a rib: head at the body, tubercle at the transverse process, then round the chest and downwards."""
    endplate = vertebra.superior
    right, forward, up = endplate.axes
    lateral = side * right * np.sign(right[0])
    outward, behind = HEAD_LATERAL * endplate.half_width * lateral, HEAD_BEHIND * endplate.half_depth * forward
    head = endplate.centre + outward - behind - HEAD_BELOW_MM * up
    tip = vertebra.transverse_tip(side)
    tubercle = tip + TUBERCLE_LATERAL_MM * lateral + random.uniform(*TUBERCLE_FORWARD_MM) * forward
    half = torso.half - torso.fat - random.uniform(*CHEST_WALL_MM)
    half = np.maximum(half, LEAST_CHEST_MM) * NARROW.get(vertebra.level, 1.0)
    path, arc = _chest_path(tubercle, side, torso.centre, half, slope)
    own_side = (side * (path[:, 0] - torso.centre[0]) > FROM_MEDIAN_MM) | (arc < FREE_MM)
    near = np.linalg.norm(tubercle - head) + arc < max(length, LEAST_DRAWN_MM)
    kept = path[near & np.logical_and.accumulate(own_side)]
    neck = (1.0 - NECK_SHARE) * head + NECK_SHARE * tubercle - NECK_BEHIND_MM * forward
    points = smooth_curve(np.concatenate([[head, neck], kept[::PATH_EVERY]]), STEP_MM)
    radius = np.full(len(points), random.uniform(*RADIUS_MM))
    radius[-END_POINTS:] *= END_FACTOR
    return Tube(points, radius)


def _chest_path(tubercle: Floats, side: int, middle: Floats, half: Floats, slope: float) -> tuple[Floats, Floats]:
    """Return a path (n, 3) mm from the tubercle round the chest, and the way along it (n,) mm.

    `middle` (2,) and `half` (2,) are the centre and the half width and half depth of the chest's ellipse.
    """
    back, front = middle[1] + half[1] * np.array([-1.0, 1.0])
    back = max(back, min(tubercle[1] - MOST_BEHIND_MM, front - LEAST_DEPTH_MM))
    half, centre = np.array([half[0], 0.5 * (front - back)]), np.array([middle[0], 0.5 * (front + back)])
    start = np.arctan2((tubercle[0] - centre[0]) / half[0], -(tubercle[1] - centre[1]) / half[1])
    angle = start + side * np.linspace(0.0, MOST_ANGLE, PATH_POINTS)
    ellipse = centre + half * np.column_stack([np.sin(angle), -np.cos(angle)])
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(ellipse, axis=0), axis=1))])
    fall = slope * arc * np.clip(arc / FULL_FALL_MM, LEAST_FALL, 1.0)
    path = np.column_stack([ellipse, tubercle[2] - fall])
    path = path + np.exp(-arc / JOIN_MM)[:, None] * (tubercle - path[0])
    return path, arc

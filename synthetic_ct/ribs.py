"""The ribs of a synthetic person: one a side for every thoracic vertebra."""

from __future__ import annotations

import numpy as np

from models.types import Floats
from synthetic_ct.bone_labels import THORACOLUMBAR_LEVELS
from synthetic_ct.solids import Tube, smooth_curve
from synthetic_ct.torso import Torso
from synthetic_ct.vertebra import Vertebra

LENGTH_MM = 330.0
UPPER_LENGTH_MM = {1: 120.0, 2: 200.0, 3: 260.0}
"""Bony length of most ribs, and of the uppermost three by their number. Chosen by eye on real CTs."""
TENTH_MM, ELEVENTH_MM, TWELFTH_MM = (220.0, 300.0), (110.0, 230.0), (15.0, 150.0)
"""Bony length of the lowest three. Wide on purpose: the twelfth may be much reduced or 14 cm long (Bergman et al.,
Illustrated Encyclopedia of Human Anatomic Variation)."""
NO_TWELFTH_SHARE = 0.04
"""Share of people without twelfth ribs. Wide on purpose: the networks must not trust the last rib alone."""
SIDE_FACTOR = (0.9, 1.1)
"""Length of the rib of one side over the mean of both. Chosen by eye."""
LEAST_LENGTH_MM = 10.0
"""Shorter ribs are left out."""
LEAST_DRAWN_MM = 25.0
"""Least length of a rib that is drawn: from its head to its tubercle."""
SLOPE = (0.25, 0.6)
"""Descent of a rib over its way round the chest. Chosen by eye on real CTs."""
FULL_SLOPE_MM, LEAST_SLOPE = 60.0, 0.3
"""A rib leaves its tubercle with this share of its slope, and has all of it after this way."""

HEAD_LATERAL, HEAD_BEHIND, HEAD_BELOW_MM = 0.92, 0.75, 5.0
"""Position of a rib's head from the superior endplate's centre: the first two over the endplate's half width and half
depth. Textbook anatomy: the head lies at the rear corner of the body's upper edge."""
TUBERCLE_LATERAL_MM, TUBERCLE_FORWARD_MM = 4.0, (1.0, 4.0)
"""Position of a rib's tubercle from the tip of the transverse process. Chosen by eye on real CTs."""
NECK_SHARE, NECK_BEHIND_MM = 0.45, 2.0
"""The neck bends backwards by so many mm at this share of the way from head to tubercle."""

CHEST_WALL_MM = (8.0, 16.0)
"""Thickness of the muscles outside the ribs. Chosen by eye on real CTs."""
LEAST_CHEST_MM = (95.0, 65.0)
"""Least half width and half depth of the ellipse that the ribs follow."""
UPPER_CHEST = {"T1": 0.5, "T2": 0.66, "T3": 0.8, "T4": 0.9}
"""Size of the upper ribs' ellipses over that of the others. Chosen by eye on real CTs."""
MOST_BEHIND_MM = 25.0
"""Largest distance of the ellipse's rear end behind the rib's tubercle."""
LEAST_DEPTH_MM = 90.0
"""Least depth of the ellipse."""
MOST_ANGLE, PATH_POINTS = 2.6, 60
"""Angle of the ellipse that a rib's path covers, radians, and the number of its points."""
JOIN_MM = 45.0
"""Way along a rib after which its distance from the ellipse has fallen to 1/e of that of the tubercle."""
FREE_MM, FROM_MEDIAN_MM = 60.0, 8.0
"""Beyond the first distance from its tubercle a rib ends where it is this near to the median plane: at the sternum."""
PATH_EVERY = 3
"""Every third point of the path is a point of the spline."""
RADIUS_MM, STEP_MM = (3.2, 5.0), 2.0
"""Half of the thickness of a rib, and the distance of its spheres. Chosen by eye on real CTs."""
END_POINTS, END_FACTOR = 3, 0.8
"""Number of spheres at a rib's end that are smaller, and by which factor."""


def make_ribs(random: np.random.Generator, vertebrae: tuple[Vertebra, ...], torso: Torso) -> tuple[Tube, ...]:
    """Return the ribs of all thoracic vertebrae, two for each; the twelfth may be missing."""
    ribs = []
    twelfth = random.uniform(*TWELFTH_MM) if random.random() > NO_TWELFTH_SHARE else 0.0
    slope = random.uniform(*SLOPE)
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
    """Return a rib from its head at the body over its tubercle at the transverse process round the chest."""
    endplate = vertebra.superior
    right, forward, up = endplate.axes
    lateral = side * right * np.sign(right[0])
    outward, behind = HEAD_LATERAL * endplate.half_width * lateral, HEAD_BEHIND * endplate.half_depth * forward
    head = endplate.centre + outward - behind - HEAD_BELOW_MM * up
    tip = vertebra.transverse_tip(side)
    tubercle = tip + TUBERCLE_LATERAL_MM * lateral + random.uniform(*TUBERCLE_FORWARD_MM) * forward
    half = torso.half - torso.fat - random.uniform(*CHEST_WALL_MM)
    half = np.maximum(half, LEAST_CHEST_MM) * UPPER_CHEST.get(vertebra.level, 1.0)
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
    fall = slope * arc * np.clip(arc / FULL_SLOPE_MM, LEAST_SLOPE, 1.0)
    path = np.column_stack([ellipse, tubercle[2] - fall])
    path = path + np.exp(-arc / JOIN_MM)[:, None] * (tubercle - path[0])
    return path, arc

"""The hip bones and the thighs of a synthetic person, as tubes.

All sizes are chosen by eye on real CTs, unless a comment gives a source. Corners are lateral, anterior and superior
distances from the centre of the first sacral body, mm.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from models.types import Floats
from synthetic_ct.sacrum import Sacrum
from synthetic_ct.solids import Tube

REFERENCE_LATERAL_MM = 62.0
"""Distance of the sacroiliac joint from the median plane in the hip that the corners describe."""
SIZE = (0.92, 1.08)
"""Factor of anterior and superior distances."""
JOINT_GAP_MM = (0.5, 4.0)
"""Width of the sacroiliac joint. Wide on purpose: from fused to a broad dark line."""
WING_HALF_THICKNESS_MM = (4.5, 7.0)
"""Half of the thickness of the iliac wing."""
CREST_ABOVE_MM = (25.0, 60.0)
"""Height of the iliac crest."""
POSTERIOR_RISE_MM = (8.0, 25.0)
"""Height of the rear of the rim above the joint."""

BEHIND_LOWER_MM, BEHIND_UPPER_MM = 14.0, 8.0
"""Distance of the rim behind the lower and the upper posterior corner of the joint."""
CREST_TOP_MM = (100.0, -2.0)
CREST_FRONT_MM = (128.0, 40.0)
"""Lateral and anterior distance of the crest's highest corner, and of the next one in front."""
CREST_FALL_MM = 18.0
"""Height of the highest corner above the next one."""
ANTERIOR_SPINES_MM = ((126.0, 72.0, -20.0), (112.0, 74.0, -50.0))
"""The rim at the two anterior iliac spines."""
HUB_MM = ((74.0, 6.0, -65.0), (88.0, 24.0, -80.0), (94.0, 36.0, -90.0), (98.0, 44.0, -92.0))
"""The wing's inner edge, from the greater sciatic notch to the hip joint."""
WING_STEP_MM = 4.0
"""Distance of the spheres that fill the wing."""
WING_THINNING = 0.35
"""The wing's edges are thinner by this share than its middle, except beside the joint."""

FEMUR_HEAD_MM = (98.0, 30.0, -108.0)
FEMUR_HEAD_RADIUS_MM = 23.0
"""Centre and radius of the femoral head. Textbook anatomy: it is about 46 mm wide in adults."""
FEMUR_MM = ((130.0, 26.0, -118.0), (150.0, 20.0, -150.0), (150.0, 18.0, -300.0))
FEMUR_RADIUS_MM, FEMUR_STEP_MM = 14.0, 4.0
"""Neck and shaft of the femur from the head down, their radius, and the distance of their spheres."""
SUPERIOR_RAMUS_MM = ((90.0, 40.0, -105.0), (60.0, 70.0, -120.0), (10.0, 84.0, -140.0))
SUPERIOR_RAMUS_RADIUS_MM = 8.0
"""From the hip joint to the pubic symphysis."""
ISCHIUM_MM = ((92.0, 10.0, -120.0), (75.0, 0.0, -160.0), (45.0, 30.0, -170.0), (15.0, 70.0, -150.0))
ISCHIUM_RADIUS_MM = 10.0
"""From the hip joint over the ischial tuberosity to the pubic symphysis."""
RAMUS_STEP_MM = 3.0
"""Distance of the spheres of both rami."""


def make_hip_bones(random: np.random.Generator, sacrum: Sacrum) -> tuple[Tube, ...]:
    """Return random iliac wings, femurs, pubic and ischial rami of both sides, which meet the sacrum at its joints."""
    size, gap, half = random.uniform(*SIZE), random.uniform(*JOINT_GAP_MM), random.uniform(*WING_HALF_THICKNESS_MM)
    crest, rise = random.uniform(*CREST_ABOVE_MM), random.uniform(*POSTERIOR_RISE_MM)
    hips: list[Tube] = []
    for side in (-1.0, 1.0):
        joint = sacrum.joint_corners(side, gap + half)
        width = side * (joint[0] - sacrum.bodies[0])[0] / REFERENCE_LATERAL_MM
        scale = np.array([side * width, size, size])
        hips += _iliac_wing(sacrum, joint, scale, (crest, rise), half)
        hips += _thigh_and_rami(sacrum.bodies[0], scale, size)
    return tuple(hips)


def _iliac_wing(
    sacrum: Sacrum, joint: Floats, scale: Floats, heights: tuple[float, float], half_thickness: float
) -> list[Tube]:
    """Return a wing as sheets between its rim and its inner edge.

    `joint` (5, 3) are the wing's corners at the joint, mm. `scale` (3,) is a factor of the other corners. `heights` are
    those of the crest and of the rear of the rim, mm.
    """
    crest, rise = heights
    _, forward, down = sacrum.axes
    behind = joint[2] - BEHIND_LOWER_MM * forward
    above = joint[1] - BEHIND_UPPER_MM * forward - rise * down
    corners = [(*CREST_TOP_MM, crest), (*CREST_FRONT_MM, crest - CREST_FALL_MM), *ANTERIOR_SPINES_MM]
    rim = [behind, above, *(sacrum.bodies[0] + scale * np.array(corners))]
    hub = [joint[3], joint[4], *(sacrum.bodies[0] + scale * np.array(HUB_MM))]
    return [
        _sheet(rims, hubs, half_thickness, WING_THINNING if i else 0.0)
        for i, (rims, hubs) in enumerate(zip(pairwise(rim), pairwise(hub), strict=True))
    ]


def _sheet(rim: tuple[Floats, Floats], hub: tuple[Floats, Floats], half_thickness: float, thinning: float) -> Tube:
    """Return spheres that fill the quadrangle between two points of the rim and two of the inner edge."""
    n = np.array([np.linalg.norm(rim[1] - rim[0]), np.linalg.norm(hub[0] - rim[0])]) / WING_STEP_MM
    u, w = np.meshgrid(np.linspace(0, 1, int(n[0]) + 2), np.linspace(0, 1, int(n[1]) + 2))
    u, w = u.ravel()[:, None], w.ravel()[:, None]
    start, root = rim[0] * (1 - u) + rim[1] * u, hub[0] * (1 - u) + hub[1] * u
    radius = half_thickness * (1.0 - thinning * (1.0 - 2.0 * np.abs(w.ravel() - 0.5)))
    return Tube(start * (1 - w) + root * w, radius)


def _thigh_and_rami(origin: Floats, scale: Floats, size: float) -> list[Tube]:
    """Return a femur's head and shaft, the superior ramus and the ischium.

    Their corners lie at `origin` (3,) mm plus `scale` (3,) times the constants above. `size` is a factor of the head.
    """
    head = origin + scale * np.array(FEMUR_HEAD_MM)
    shaft = np.vstack([head, origin + scale * np.array(FEMUR_MM)])
    ramus = origin + scale * np.array(SUPERIOR_RAMUS_MM)
    ischium = origin + scale * np.array(ISCHIUM_MM)
    return [
        Tube(head[None], np.array([FEMUR_HEAD_RADIUS_MM * size])),
        Tube.along(shaft, FEMUR_RADIUS_MM, FEMUR_STEP_MM),
        Tube.along(ramus, SUPERIOR_RAMUS_RADIUS_MM, RAMUS_STEP_MM),
        Tube.along(ischium, ISCHIUM_RADIUS_MM, RAMUS_STEP_MM),
    ]

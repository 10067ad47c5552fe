"""Draw the aorta and the inferior vena cava."""

from __future__ import annotations

import numpy as np

from models.types import Bytes
from synthetic_ct.noise import smooth_noise
from synthetic_ct.tissue import Tissue
from synthetic_ct.torso_coordinates import TorsoCoordinates

END_MM = (95.0, 130.0)
"""Height of L1's centre over the lower end of both vessels: about L4. On CT the aorta divides at lower L4 on average,
between L3 and S1 (Surg Radiol Anat 20(1), 1998, doi 10.1007/BF01628118)."""
AORTA_LEFT_MM, AORTA_RADIUS_MM = (2.0, 18.0), (8.0, 15.0)
"""From the narrow end of normal to the edge of an aneurysm: lumen of men 19.0 ± 2.3 mm at T12, 13.8 ± 1.9 mm at L3
(Jasper et al., J Postgrad Med 60(1), 2014); from a diameter of 30 mm on it is an aneurysm."""
CAVA_RIGHT_MM, CAVA_RADIUS_MM = (10.0, 24.0), (8.0, 14.0)
"""Mean 16 x 26 mm at the renal veins on CT (Cureus 14(11), 2022, e31845)."""
FRONT_MM = (25.0, 34.0)
"""Distance of a vessel's rear wall in front of the bodies' centres, to which half of its radius is added."""
FRONT_RADIUS_SHARE = 0.5
SWAY_MM, SWAY_LENGTH_MM = 6.0, 35.0
"""Vessels wind from side to side: a sine of this amplitude; the length belongs to one radian."""
FULL_PHASE = 6.3
"""Range of phases, radians: 2 pi, rounded up."""

CALCIFIED_SHARE = 0.35
"""Share of people with plaques in the wall of the aorta. Chosen by eye."""
PLAQUE_DEPTH_MM, PLAQUE_WIDTH_MM, PLAQUE_LEVEL = 2.5, 4.0, 1.2
"""Plaques lie in this outer layer, where smooth noise of this width exceeds this many standard deviations."""


def draw_vessels(random: np.random.Generator, tissue: Bytes, space: TorsoCoordinates) -> None:
    """Draw the aorta on the left and the vena cava on the right in front of the bodies, in place."""
    low = space.l1[2] - random.uniform(*END_MM)
    courses = (
        (Tissue.AORTA, -random.uniform(*AORTA_LEFT_MM), random.uniform(*AORTA_RADIUS_MM)),
        (Tissue.VEIN, random.uniform(*CAVA_RIGHT_MM), random.uniform(*CAVA_RADIUS_MM)),
    )
    for kind, lateral, radius in courses:
        front = random.uniform(*FRONT_MM)
        sway = SWAY_MM * np.sin(space.z / SWAY_LENGTH_MM + random.uniform(0.0, FULL_PHASE))
        across = space.x - space.spine_x - lateral - sway
        along = space.y - space.spine_y - front - FRONT_RADIUS_SHARE * radius
        square = across**2 + along**2
        vessel = (square < radius**2) & (space.z > low)
        tissue[vessel] = kind
        if kind == Tissue.AORTA and random.random() < CALCIFIED_SHARE:
            wall = vessel & (square > (radius - PLAQUE_DEPTH_MM) ** 2)
            plaque = smooth_noise(random, space.shape, PLAQUE_WIDTH_MM / space.step) > PLAQUE_LEVEL
            tissue[wall & plaque] = Tissue.CALCIUM

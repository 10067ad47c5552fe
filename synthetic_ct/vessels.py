"""Draw the aorta and the inferior vena cava."""

from __future__ import annotations

import numpy as np

from models.types import Bytes
from synthetic_ct.noise import smooth_noise
from synthetic_ct.tissue import Tissue
from synthetic_ct.torso_coordinates import TorsoCoordinates

END_MM = (95.0, 130.0)
"""Distance of the lower end of both vessels below L1's centre: at L4. On CT the aorta divides at lower L4 on average,
from L3 to S1 (Surg Radiol Anat 20(1), 1998, doi 10.1007/BF01628118)."""
AORTA_LEFT_MM, AORTA_RADIUS_MM = (2.0, 18.0), (8.0, 15.0)
"""Distance of the aorta's middle to the left of the spine's, and its radius. On CT the lumen of men is 19.0 ± 2.3 mm
wide at T12 and 13.8 ± 1.9 mm at L3 (Jasper et al., J Postgrad Med 60(1), 2014). From 30 mm on it is an aneurysm."""
CAVA_RIGHT_MM, CAVA_RADIUS_MM = (10.0, 24.0), (8.0, 14.0)
"""Distance of the vena cava's middle to the right, and its radius. On CT the cava is 16 mm deep and 26 mm wide at the
renal veins on average (Cureus 14(11), 2022, e31845)."""
FRONT_MM, FRONT_RADIUS_SHARE = (25.0, 34.0), 0.5
"""Distance of a vessel's middle in front of the bodies' centres, to which this share of its radius is added. Chosen by
eye on real CTs."""
SWAY_MM, SWAY_RADIAN_MM = 6.0, 35.0
"""A vessel winds from side to side by a sine of this amplitude, whose radian is this long. Chosen by eye."""
FULL_PHASE = 6.3
"""Upper end of random phases, radians: 2 pi, rounded up."""

CALCIFIED_SHARE = 0.35
"""Share of people with plaques in the wall of the aorta. Chosen by eye."""
PLAQUE_DEPTH_MM, PLAQUE_WIDTH_MM, PLAQUE_LEVEL = 2.5, 4.0, 1.2
"""Plaques lie in this outer layer of the aorta, where smooth noise of this width exceeds this many standard
deviations. Chosen by eye on real CTs."""


def draw_vessels(random: np.random.Generator, tissue: Bytes, space: TorsoCoordinates) -> None:
    """Draw the aorta on the left and the vena cava on the right in front of the bodies, in place."""
    low = space.l1[2] - random.uniform(*END_MM)
    courses = (
        (Tissue.AORTA, -random.uniform(*AORTA_LEFT_MM), random.uniform(*AORTA_RADIUS_MM)),
        (Tissue.VEIN, random.uniform(*CAVA_RIGHT_MM), random.uniform(*CAVA_RADIUS_MM)),
    )
    for kind, lateral, radius in courses:
        front = random.uniform(*FRONT_MM)
        sway = SWAY_MM * np.sin(space.z / SWAY_RADIAN_MM + random.uniform(0.0, FULL_PHASE))
        across = space.x - space.spine_x - lateral - sway
        along = space.y - space.spine_y - front - FRONT_RADIUS_SHARE * radius
        square = across**2 + along**2
        vessel = (square < radius**2) & (space.z > low)
        tissue[vessel] = kind
        if kind == Tissue.AORTA and random.random() < CALCIFIED_SHARE:
            wall = vessel & (square > (radius - PLAQUE_DEPTH_MM) ** 2)
            plaque = smooth_noise(random, space.shape, PLAQUE_WIDTH_MM / space.step) > PLAQUE_LEVEL
            tissue[wall & plaque] = Tissue.CALCIUM

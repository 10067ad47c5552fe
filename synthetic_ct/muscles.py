"""Draw the muscles beside the spine: psoas and crura of the diaphragm, and the fat in muscles."""

from __future__ import annotations

import numpy as np

from models.types import Bytes
from synthetic_ct.noise import smooth_noise
from synthetic_ct.tissue import Tissue
from synthetic_ct.torso_coordinates import TorsoCoordinates

SIZE = (0.7, 1.2)
"""Factor of the psoas' thickness. Wide on purpose: from wasted to strong."""
PSOAS_TOP_MM = 12.0
"""Distance of the psoas' upper end above L1's centre. Textbook anatomy: it arises from T12 to L5."""
PSOAS_HALF_MM, PSOAS_MORE_MM = (8.0, 11.0), (20.0, 18.0)
"""Half width and half depth at its upper end, and what is added at its lower end. Chosen by eye on real CTs."""
GROWTH_FROM_MM, GROWTH_LENGTH_MM = 10.0, 130.0
"""Height over L1's centre at which it begins to grow, and the length over which it grows: down to about L4."""
PSOAS_LATERAL_MM, PSOAS_LATERAL_SHARE = 27.0, 0.8
"""Distance of its middle from that of the spine, to which this share of its half width is added. Chosen by eye."""
PSOAS_BEHIND_MM = 4.0
"""Distance of its middle behind the bodies' centres. Chosen by eye on real CTs."""
CRUS_LATERAL_MM, CRUS_HALF_WIDTH_MM = (8.0, 22.0), (6.0, 12.0)
CRUS_FORWARD_MM, CRUS_HALF_DEPTH_MM = 22.0, 9.0
"""Position of a crus from the bodies' centres, and its size. Chosen by eye on real CTs."""
CRUS_BOTTOM_MM = 60.0
"""Distance of the crura's lower end below L1's centre. Textbook anatomy: they arise from L1 to L3."""
STREAK_WIDTH_MM, STREAK_LEVEL = (2.0, 5.0), (1.0, 2.6)
"""Fat lies in muscle where smooth noise of this width exceeds this many standard deviations: in 0.5 to 16 % of it."""


def draw_muscles(random: np.random.Generator, tissue: Bytes, space: TorsoCoordinates, top: float) -> None:
    """Draw psoas and crura, and streaks of fat in the muscles behind the bodies' centres, in place.

    `top` is the height of L1's centre, mm.
    """
    growth = np.clip((top + GROWTH_FROM_MM - space.z) / GROWTH_LENGTH_MM, 0.0, 1.0)
    right, forward = space.x - space.spine_x, space.y - space.spine_y
    size = random.uniform(*SIZE)
    for side in (-1.0, 1.0):
        a, b = (size * (least + more * growth) for least, more in zip(PSOAS_HALF_MM, PSOAS_MORE_MM, strict=True))
        lateral = side * (PSOAS_LATERAL_MM + a * PSOAS_LATERAL_SHARE)
        psoas = ((space.x - space.spine_x - lateral) / a) ** 2 + (
            (space.y - space.spine_y + PSOAS_BEHIND_MM) / b
        ) ** 2 < 1.0
        tissue[psoas & (space.z < top + PSOAS_TOP_MM)] = Tissue.MUSCLE
        across = (right - side * random.uniform(*CRUS_LATERAL_MM)) / random.uniform(*CRUS_HALF_WIDTH_MM)
        along = (forward - CRUS_FORWARD_MM) / CRUS_HALF_DEPTH_MM
        crus = across**2 + along**2 < 1.0
        tissue[crus & (space.z > top - CRUS_BOTTOM_MM) & (tissue != Tissue.AORTA)] = Tissue.MUSCLE
    streaks = smooth_noise(random, space.shape, random.uniform(*STREAK_WIDTH_MM) / space.step)
    fatty = streaks > random.uniform(*STREAK_LEVEL)
    tissue[(tissue == Tissue.MUSCLE) & fatty & (space.y < space.spine_y)] = Tissue.FAT

"""Draw the wall of the torso: skin, fat and muscle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Bools, Bytes
from synthetic_ct.tissue import Tissue
from synthetic_ct.torso_coordinates import TorsoCoordinates

SKIN_MM = 2.0
"""Textbook anatomy: skin is 1 to 4 mm thick."""
WALL_MM = (8.0, 20.0)
"""Thickness of the muscles of the abdominal wall. Chosen by eye on real CTs."""
CAVITY_BEHIND_MM = (-4.0, 10.0)
"""Distance that the cavity reaches behind the bodies' centres, where the muscles of the back begin. Chosen by eye."""
PARASPINAL_HALF_WIDTH_MM = (55.0, 75.0)
"""Half width of the paraspinal muscles at the bodies' centres. Chosen by eye on real CTs."""
PARASPINAL_WIDENING = 0.4
"""Growth of that half width for each mm further back. Chosen by eye."""


@dataclass(frozen=True)
class Cavity:
    """The inside of the torso.

    Attributes
    ----------
    inside_wall
        (i, j, k) bool: everything within the muscles of the wall, with the spine and its muscles.
    free
        (i, j, k) bool: the same without the spine and its muscles. Most organs lie here.
    """

    inside_wall: Bools
    free: Bools


def draw_body_wall(random: np.random.Generator, tissue: Bytes, space: TorsoCoordinates) -> Cavity:
    """Draw skin, fat and muscle into `tissue` (i, j, k), in place. Fill the cavity with fat and return it."""
    least_half = float(space.torso.half.min())
    tissue[space.radius < 1.0] = Tissue.SKIN
    tissue[space.radius < 1.0 - SKIN_MM / least_half] = Tissue.FAT
    wall = 1.0 - space.torso.fat / least_half
    tissue[space.radius < wall] = Tissue.MUSCLE
    inside_wall = space.radius < wall - random.uniform(*WALL_MM) / least_half
    in_front = space.y > space.spine_y - random.uniform(*CAVITY_BEHIND_MM)
    half_width = random.uniform(*PARASPINAL_HALF_WIDTH_MM) + PARASPINAL_WIDENING * (space.spine_y - space.y)
    free = inside_wall & (in_front | (np.abs(space.x - space.spine_x) > half_width))
    tissue[free] = Tissue.FAT
    return Cavity(inside_wall, free)

"""Draw skin, fat and the muscles of the trunk's wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Bools, Bytes
from synthetic_ct.tissue import Tissue
from synthetic_ct.torso_coordinates import TorsoCoordinates

SKIN_MM = 2.0
"""Textbook anatomy: the skin of the trunk is 1 to 4 mm thick."""
WALL_MM = (8.0, 20.0)
"""Thickness of the muscles of the abdominal wall. Chosen by eye on real CTs."""
CAVITY_BEHIND_MM = (-4.0, 10.0)
"""How far the cavity reaches behind the centres of the vertebral bodies, where the paraspinal muscles begin."""
PARASPINAL_HALF_WIDTH_MM = (55.0, 75.0)
"""Half width of the paraspinal muscles at the centres of the bodies. Chosen by eye on real CTs."""
PARASPINAL_WIDENING = 0.4
"""By how much that half width grows for each mm further back."""


@dataclass(frozen=True)
class Cavity:
    """Where organs may be.

    Attributes
    ----------
    inside_wall
        (i, j, k) bool: everything within the muscles of the wall, the spine and its muscles too.
    free
        (i, j, k) bool: the same without the spine and its muscles.
    """

    inside_wall: Bools
    free: Bools


def draw_body_wall(random: np.random.Generator, tissue: Bytes, space: TorsoCoordinates) -> Cavity:
    """Draw skin, fat and muscle into `tissue` (i, j, k), in place, fill the cavity with fat, and return it."""
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

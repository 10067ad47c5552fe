"""The outline of a synthetic person's torso."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats
from synthetic_ct.vertebra import Spine

FAT_MM = (4.0, 45.0)
"""Thickness of the fat under the skin. Wide on purpose: thin to obese."""
SKIN_BEHIND_TIPS_MM = 6.0
"""Thickness of ligament and skin behind the spinous processes. Chosen by eye on real CTs."""
BACK_FAT_SHARE = (0.3, 1.0)
"""Thickness of the fat behind the spinous processes, over that elsewhere. Wide on purpose."""
HALF_DEPTH_MM, FAT_IN_DEPTH = (85.0, 120.0), 0.7
"""Half depth of the torso without fat, and the share of the fat's thickness that is added. Chosen by eye on real
CTs."""
HALF_WIDTH_MM = (125.0, 165.0)
"""Half width of the torso without fat. Chosen by eye on real CTs."""
LEAST_AHEAD_MM = 80.0
"""Least distance from the foremost vertebra's centre to the fat in front, so that organs fit into a stooping person."""


@dataclass(frozen=True)
class Torso:
    """The torso's outline: an ellipse that is the same at every height of the chest and the abdomen.

    Attributes
    ----------
    centre
        (2,) x and y of its middle, mm RAS.
    half
        (2,) half width and half depth, mm.
    fat
        Thickness of the fat under the skin, mm.
    """

    centre: Floats
    half: Floats
    fat: float


def make_torso(random: np.random.Generator, spine: Spine) -> Torso:
    """Return a random torso around the spine."""
    fat = random.uniform(*FAT_MM)
    rearmost = np.array([v.spinous_tip for v in spine.vertebrae])[:, 1].min()
    foremost = max(v.centre[1] for v in spine.vertebrae)
    back = rearmost - SKIN_BEHIND_TIPS_MM - fat * random.uniform(*BACK_FAT_SHARE)
    half_depth = random.uniform(*HALF_DEPTH_MM) + FAT_IN_DEPTH * fat
    half_depth = max(half_depth, 0.5 * (foremost + LEAST_AHEAD_MM + fat - back))
    half_width = random.uniform(*HALF_WIDTH_MM) + fat
    middle = np.mean([v.centre[0] for v in spine.vertebrae])
    return Torso(np.array([middle, back + half_depth]), np.array([half_width, half_depth]), fat)

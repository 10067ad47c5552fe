"""Draw bowel, gas, liver, spleen, kidneys and lungs.

Positions are lateral, anterior and superior distances from the centre of L1, mm. Sizes are half widths along these
axes. Both are chosen by eye on real CTs, unless a comment gives a source.
"""

from __future__ import annotations

import numpy as np

from models.types import Bools, Bytes, Floats
from synthetic_ct.body_wall import Cavity
from synthetic_ct.noise import smooth_noise
from synthetic_ct.tissue import Tissue
from synthetic_ct.torso_coordinates import TorsoCoordinates

Ranges = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

BOWEL_WIDTH_MM, BOWEL_LEVEL = (10.0, 22.0), (-0.6, 0.3)
ORGAN_WIDTH_MM, ORGAN_LEVEL = (14.0, 30.0), (0.3, 1.2)
GAS_WIDTH_MM, GAS_LEVEL = (6.0, 16.0), (1.5, 2.6)
"""Bowel, other organs and gas lie where smooth noise of this width exceeds this many standard deviations. Bowel then
fills 38 to 73 % of the cavity, other organs replace 12 to 38 % of it, and gas 0.5 to 7 % of its front."""
GAS_FORWARD_MM = 30.0
"""Least distance of gas in front of the bodies' centres: it rises in a person who lies on the back."""

SIZE = (0.85, 1.2)
"""Factor of the half widths of all organs of a person. Wide on purpose."""
LIVER_MM: Ranges = ((60.0, 90.0), (35.0, 70.0), (10.0, 60.0))
LIVER_HALF_MM = (75.0, 75.0, 80.0)
"""A normal liver measures up to 16 cm from front to back on CT (Jasper, J Clin Diagn Res 13(8), 2019). The left lobe
is left out."""
SPLEEN_MM: Ranges = ((80.0, 110.0), (-20.0, 20.0), (10.0, 50.0))
SPLEEN_HALF_MM = (28.0, 45.0, 50.0)
"""A spleen measures 10.0 ± 2.1, 8.9 ± 1.6 and 4.6 ± 0.8 cm on CT (Caglar et al., Folia Morphol, 2014, doi
10.5603/FM.2014.0038)."""
KIDNEY_MM: Ranges = ((52.0, 72.0), (-12.0, 16.0), (-50.0, 5.0))
KIDNEY_HALF_MM = (27.0, 25.0, 52.0)
"""Textbook anatomy: a kidney is about 11 to 12 cm long and 6 cm wide."""

DOME_MM = (15.0, 70.0)
"""Height of the diaphragm's edge over L1. Wide on purpose: from expiration to inspiration."""
DOME_RISE_MM, DOME_RADIAN_MM, DOME_END = 25.0, 80.0, 1.5
"""The dome rises over its edge by a cosine of this height, whose radian is this long, up to this angle."""
RECESS_FROM_MM, RECESS_SLOPE, MOST_RECESS_DISTANCE_MM = 20.0, 0.5, 90.0
"""The lung's lower edge falls towards the back. It begins to fall this far in front of the bodies' centres, by this
slope, over at most this distance."""
MEDIASTINUM_RADIUS_MM, MEDIASTINUM_WIDTH, MEDIASTINUM_FORWARD_MM = 36.0, 1.3, 15.0
"""Half depth of an ellipse around spine and mediastinum without lung, its half width over that, and its position in
front of the bodies' centres."""
LUNG_SHARE = 0.9
"""Share of people with air in the lungs. In the others bowel and organs fill the chest: an effusion, or collapse."""
HEART_MM, HEART_HALF_MM = (-20.0, 75.0, 130.0), (55.0, 50.0, 60.0)
"""Position and half widths of the heart, which displaces the lungs."""


def draw_bowel(random: np.random.Generator, tissue: Bytes, space: TorsoCoordinates, cavity: Cavity) -> None:
    """Draw bowel, organs without a number of their own, and gas, in place."""
    tissue[cavity.free & _blobs(random, space, BOWEL_WIDTH_MM, BOWEL_LEVEL)] = Tissue.BOWEL
    tissue[cavity.free & _blobs(random, space, ORGAN_WIDTH_MM, ORGAN_LEVEL)] = Tissue.ORGAN
    gas = _blobs(random, space, GAS_WIDTH_MM, GAS_LEVEL)
    tissue[cavity.free & gas & (space.y > space.spine_y + GAS_FORWARD_MM)] = Tissue.GAS


def _blobs(
    random: np.random.Generator, space: TorsoCoordinates, width_mm: tuple[float, float], level: tuple[float, float]
) -> Bools:
    """Return (i, j, k) where smooth noise of a random width exceeds a random level."""
    noise = smooth_noise(random, space.shape, random.uniform(*width_mm) / space.spacing)
    return np.asarray(noise > random.uniform(*level))


def draw_solid_organs(
    random: np.random.Generator, tissue: Bytes, space: TorsoCoordinates, cavity: Cavity, size: float
) -> None:
    """Draw liver, spleen and kidneys, in place; `size` is a factor of their half widths."""
    liver = space.l1 + _offset(random, LIVER_MM, side=1.0)
    tissue[cavity.free & space.ellipsoid(liver, size * np.array(LIVER_HALF_MM))] = Tissue.LIVER
    spleen = space.l1 + _offset(random, SPLEEN_MM, side=-1.0)
    tissue[cavity.free & space.ellipsoid(spleen, size * np.array(SPLEEN_HALF_MM))] = Tissue.ORGAN
    for side in (-1.0, 1.0):
        kidney = space.l1 + _offset(random, KIDNEY_MM, side)
        tissue[space.ellipsoid(kidney, size * np.array(KIDNEY_HALF_MM)) & cavity.inside_wall] = Tissue.KIDNEY


def _offset(random: np.random.Generator, ranges: Ranges, side: float) -> Floats:
    """Return a random position (3,) mm on one side: -1 left, 1 right."""
    lateral, forward, up = (random.uniform(*span) for span in ranges)
    return np.array([side * lateral, forward, up])


def draw_lungs(
    random: np.random.Generator, tissue: Bytes, space: TorsoCoordinates, cavity: Cavity, size: float
) -> None:
    """Draw the lungs above the diaphragm, around heart and mediastinum, in place; `size` scales the heart."""
    from_middle = np.clip((space.x - space.torso.centre[0]) / DOME_RADIAN_MM, -DOME_END, DOME_END)
    dome = space.l1[2] + random.uniform(*DOME_MM) + DOME_RISE_MM * np.cos(from_middle)
    recess = RECESS_SLOPE * np.clip(space.spine_y + RECESS_FROM_MM - space.y, 0, MOST_RECESS_DISTANCE_MM)
    across, along = (space.x - space.spine_x) / MEDIASTINUM_WIDTH, space.y - space.spine_y - MEDIASTINUM_FORWARD_MM
    outside = np.hypot(across, along) > MEDIASTINUM_RADIUS_MM
    lung = cavity.inside_wall & (space.z > dome - recess) & outside
    if random.random() < LUNG_SHARE:
        heart = space.ellipsoid(space.l1 + np.array(HEART_MM), size * np.array(HEART_HALF_MM))
        tissue[lung & ~heart] = Tissue.LUNG

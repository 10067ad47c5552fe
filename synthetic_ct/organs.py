"""Draw bowel, gas, liver, spleen, kidneys and lungs.

Positions are given from the centre of L1: lateral, anterior, superior, mm. Sizes are half widths along the same axes.
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
"""Bowel, other organs and gas lie where smooth noise of this width exceeds this many standard deviations. Chosen by
eye on real CTs: bowel fills 38 to 73 % of the cavity, other organs 12 to 38 %, gas 0.5 to 7 % of its front."""
GAS_FORWARD_MM = 30.0
"""Gas lies at least this far in front of the bodies' centres: it rises in a person who lies on the back."""

SIZE = (0.85, 1.2)
"""Factor of all organs' half widths."""
LIVER_MM: Ranges = ((60.0, 90.0), (35.0, 70.0), (10.0, 60.0))
LIVER_HALF_MM = (75.0, 75.0, 80.0)
"""The upper limit of a normal liver's anteroposterior diameter is 16 cm on CT (Jasper, J Clin Diagn Res 13(8), 2019).
The left lobe is left out."""
SPLEEN_MM: Ranges = ((80.0, 110.0), (-20.0, 20.0), (10.0, 50.0))
SPLEEN_HALF_MM = (28.0, 45.0, 50.0)
"""Length 10.0 ± 2.1, width 8.9 ± 1.6, thickness 4.6 ± 0.8 cm on CT (Caglar et al., Folia Morphol 73(3), 2014)."""
KIDNEY_MM: Ranges = ((52.0, 72.0), (-12.0, 16.0), (-50.0, 5.0))
KIDNEY_HALF_MM = (27.0, 25.0, 52.0)
"""Median length 10.9 cm on the right, 11.2 cm on the left (Emamian et al., AJR 160(1), 1993); 6 cm wide in
textbooks."""

DOME_MM = (15.0, 70.0)
"""Height of the diaphragm at the edges of its dome over L1. Wide on purpose: expiration to inspiration."""
DOME_RISE_MM, DOME_HALF_WIDTH_MM, DOME_END = 25.0, 80.0, 1.5
"""The dome is a cosine of this height and half width (radians count from its middle), cut off at this angle."""
RECESS_FALL, RECESS_BEHIND_MM, MOST_RECESS_MM = 0.5, 20.0, 90.0
"""The lung reaches lower behind: by this share of the distance behind a plane 20 mm behind the bodies' centres."""
MEDIASTINUM_RADIUS_MM, MEDIASTINUM_WIDTH, MEDIASTINUM_FORWARD_MM = 36.0, 1.3, 15.0
"""No lung lies in this ellipse around the spine, wider than deep, centred in front of the bodies' centres."""
LUNG_SHARE = 0.9
"""Share of people whose lungs are drawn; in the others the chest holds what the abdomen does (effusion, collapse)."""
HEART_MM, HEART_HALF_MM = (-20.0, 75.0, 130.0), (55.0, 50.0, 60.0)
"""Chosen by eye on real CTs. No lung is drawn there."""


def draw_bowel(random: np.random.Generator, tissue: Bytes, space: TorsoCoordinates, cavity: Cavity) -> None:
    """Draw bowel, organs without a name of their own, and gas, in place."""
    tissue[cavity.free & _blobs(random, space, BOWEL_WIDTH_MM, BOWEL_LEVEL)] = Tissue.BOWEL
    tissue[cavity.free & _blobs(random, space, ORGAN_WIDTH_MM, ORGAN_LEVEL)] = Tissue.ORGAN
    gas = _blobs(random, space, GAS_WIDTH_MM, GAS_LEVEL)
    tissue[cavity.free & gas & (space.y > space.spine_y + GAS_FORWARD_MM)] = Tissue.GAS


def _blobs(
    random: np.random.Generator, space: TorsoCoordinates, width_mm: tuple[float, float], level: tuple[float, float]
) -> Bools:
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
    from_middle = np.clip((space.x - space.torso.centre[0]) / DOME_HALF_WIDTH_MM, -DOME_END, DOME_END)
    dome = space.l1[2] + random.uniform(*DOME_MM) + DOME_RISE_MM * np.cos(from_middle)
    recess = RECESS_FALL * np.clip(space.spine_y + RECESS_BEHIND_MM - space.y, 0, MOST_RECESS_MM)
    across, along = (space.x - space.spine_x) / MEDIASTINUM_WIDTH, space.y - space.spine_y - MEDIASTINUM_FORWARD_MM
    outside = np.hypot(across, along) > MEDIASTINUM_RADIUS_MM
    lung = cavity.inside_wall & (space.z > dome - recess) & outside
    if random.random() < LUNG_SHARE:
        heart = space.ellipsoid(space.l1 + np.array(HEART_MM), size * np.array(HEART_HALF_MM))
        tissue[lung & ~heart] = Tissue.LUNG

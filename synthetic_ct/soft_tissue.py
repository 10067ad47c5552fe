"""Draw everything that is not bone: body wall, organs, vessels, muscles, couch, canal."""

from __future__ import annotations

import numpy as np

from models.types import Bytes, Floats
from synthetic_ct.body_wall import draw_body_wall
from synthetic_ct.grid import Grid
from synthetic_ct.muscles import draw_muscles
from synthetic_ct.noise import smooth_noise
from synthetic_ct.organs import SIZE, draw_bowel, draw_lungs, draw_solid_organs
from synthetic_ct.person import Person
from synthetic_ct.tissue import Tissue
from synthetic_ct.torso_coordinates import TorsoCoordinates, interpolate_along_z
from synthetic_ct.vessels import draw_vessels

WOBBLE, WOBBLE_WIDTH_MM = 0.03, 40.0
"""Deviation of outlines from an ellipse, over their distance from its middle, and width of the bumps. Chosen by eye on
real CTs."""

COUCH_THICKNESS_MM, COUCH_HALF_WIDTH_MM = (3.0, 12.0), 230.0
COUCH_GAP_MM = (0.0, 15.0)
"""Distance of the couch from the skin of the back, for a mat or clothes. All sizes of the couch are wide on purpose."""
COUCH_CURVATURE = (0.0, 0.0012)
"""Rise of the couch over the square of the distance from its middle, 1/mm: from flat to 12 mm at 100 mm."""

DURAL_SAC_HALF_MM = (9.5, 6.5)
"""Half width and half depth of a mean dural sac. Chosen by eye on real CTs."""
DURAL_SAC_AREA, EPIDURAL_AREA = (0.8, 1.3), 1.6
"""Area of the dural sac, and of the sac with the fat around it, over that of a mean sac. Chosen by eye."""


def draw_soft_tissue(random: np.random.Generator, person: Person, grid: Grid) -> Bytes:
    """Return the tissue of each voxel, (i, j, k) uint8 of `Tissue`, as if there were no bone.

    Each part replaces what the parts before it have drawn, so their order matters.
    """
    wobble = WOBBLE * smooth_noise(random, grid.shape, WOBBLE_WIDTH_MM / grid.spacing)
    space = TorsoCoordinates.of(person, grid, wobble)
    tissue = np.zeros(grid.shape, np.uint8)
    cavity = draw_body_wall(random, tissue, space)
    draw_bowel(random, tissue, space, cavity)
    size = random.uniform(*SIZE)
    draw_solid_organs(random, tissue, space, cavity, size)
    draw_vessels(random, tissue, space)
    draw_lungs(random, tissue, space, cavity, size)
    draw_muscles(random, tissue, space, next((v.centre[2] for v in person.spine.vertebrae if v.level == "L1"), 0.0))
    _draw_couch(random, tissue, space)
    _draw_canal(random, tissue, space, person.skeleton.canal)
    return tissue


def _draw_couch(random: np.random.Generator, tissue: Bytes, space: TorsoCoordinates) -> None:
    """Draw a curved couch under the back, in place."""
    from_middle = space.x - space.torso.centre[0]
    thickness = random.uniform(*COUCH_THICKNESS_MM)
    bottom = space.torso.centre[1] - space.torso.half[1] - random.uniform(*COUCH_GAP_MM)
    surface = bottom + random.uniform(*COUCH_CURVATURE) * from_middle**2
    couch = (space.y < surface) & (space.y > surface - thickness) & (np.abs(from_middle) < COUCH_HALF_WIDTH_MM)
    tissue[np.broadcast_to(couch, tissue.shape) & (tissue == Tissue.AIR)] = Tissue.COUCH


def _draw_canal(random: np.random.Generator, tissue: Bytes, space: TorsoCoordinates, canal: Floats) -> None:
    """Draw the dural sac and the fat around it along the points `canal` (n, 3), mm RAS, in place."""
    x, y = interpolate_along_z(canal, space.z)
    half_width, half_depth = DURAL_SAC_HALF_MM
    area = ((space.x - x) / half_width) ** 2 + ((space.y - y) / half_depth) ** 2
    above_end = space.z > canal[:, 2].min()
    tissue[(area < EPIDURAL_AREA) & above_end] = Tissue.FAT
    tissue[(area < random.uniform(*DURAL_SAC_AREA)) & above_end] = Tissue.CANAL

"""The template's vertebra as a mask: one whole vertebra without any data."""

from functools import cache

import numpy as np

from models.bundle import Bundle
from workers.geometry.surface import Surface
from workers.imaging.volume import Volume
from workers.outline.surface_mask import voxels_inside

ROOM_MM = 12.0
"""Empty on every side: the surroundings of a vertebra that are compared with it reach 6 mm."""


@cache
def template_vertebra(mm: float) -> Volume:
    """Return a mask (uint8) of voxels of this side, in the template's frame."""
    template = Bundle().template
    surface = Surface(template.nodes[: template.n_surface], template.triangles)
    low, high = (end(surface.vertices, axis=0) for end in (np.min, np.max))
    affine = np.diag([mm, mm, mm, 1.0])
    affine[:3, 3] = low - ROOM_MM
    i, j, k = np.ceil((high - low + 2.0 * ROOM_MM) / mm).astype(int)
    return Volume(voxels_inside(surface, affine, (int(i), int(j), int(k))).astype(np.uint8), affine)

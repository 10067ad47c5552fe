"""From a closed surface to the voxels inside it."""

from __future__ import annotations

import numpy as np
import pyvista as pv

from models.types import Bools, Floats
from workers.geometry.surface import Surface


def voxels_inside(surface: Surface, affine: Floats, shape: tuple[int, ...]) -> Bools:
    """Return which voxels (i, j, k) of a grid have their centre inside a surface (VTK's polygon stencil).

    Parameters
    ----------
    surface
        Closed, mm, world RAS+.
    affine
        (4, 4) voxel index to world, mm, RAS+.
    shape
        Of the grid.
    """
    inverse = np.linalg.inv(affine)
    index = surface.vertices @ inverse[:3, :3].T + inverse[:3, 3]
    faces = np.column_stack([np.full(len(surface.triangles), 3), surface.triangles]).ravel()
    grid = pv.ImageData(dimensions=shape)
    found = pv.PolyData(index, faces).voxelize_binary_mask(reference_volume=grid)
    return np.asarray(found["mask"], bool).reshape(shape, order="F")

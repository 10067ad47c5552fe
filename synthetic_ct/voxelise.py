"""Draw solids into the voxels of a grid."""

from __future__ import annotations

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from models.types import Bools, Bytes, Floats
from synthetic_ct.grid import Box, Grid
from synthetic_ct.solids import Hull, Tube

MARGIN_VOXELS = 2.0
"""Voxels around a surface's bounding box that are looked at, so that rounding cuts nothing off."""


def voxelise(points: Floats, triangles: NDArray[np.int64], grid: Grid) -> tuple[Box, Bools] | None:
    """Find the voxels whose centres lie within a closed surface.

    Parameters
    ----------
    points, triangles
        (n, 3) mm RAS and (t, 3): the surface.
    grid
        Grid to draw on.

    Returns
    -------
    tuple of Box and ndarray, or None
        The voxels around the surface and which of them are inside; None where the surface is off the grid.
    """
    margin = MARGIN_VOXELS * grid.spacing
    box = grid.box(points.min(axis=0) - margin, points.max(axis=0) + margin)
    if box is None:
        return None
    part = grid.part(box)
    image = pv.ImageData(dimensions=part.shape, spacing=(grid.spacing,) * 3, origin=part.origin)
    surface = pv.PolyData.from_regular_faces(points, triangles)
    filled = surface.voxelize_binary_mask(reference_volume=image)
    return box, np.asarray(filled["mask"]).reshape(part.shape, order="F") > 0


def draw_hull(hull: Hull, grid: Grid, volume: Bytes, value: int) -> None:
    """Set the voxels of `volume` inside a hull to `value`, in place."""
    inside = voxelise(hull.points, hull.triangles, grid)
    if inside is not None:
        volume[inside[0]][inside[1]] = value


def draw_tube(tube: Tube, grid: Grid, volume: Bytes, value: int) -> None:
    """Set the voxels of `volume` inside a tube to `value` where they are still 0, in place; a `value` of 0 clears."""
    reach = float(tube.radius.max())
    for point, radius in zip(tube.points, tube.radius, strict=True):
        box = grid.box(point - reach, point + reach)
        if box is None:
            continue
        x, y, z = grid.part(box).axes
        sphere = (x - point[0]) ** 2 + (y - point[1]) ** 2 + (z - point[2]) ** 2 < radius**2
        part = volume[box]
        part[sphere & ((part == 0) | (value == 0))] = value

"""From a clean mask to a smooth closed surface in world coordinates."""

from __future__ import annotations

from threading import Lock

import numpy as np
import pyvista as pv

from models.types import Bools, Floats
from workers.geometry.surface import Surface

SMOOTHING_ITERATIONS, PASS_BAND = 25, 0.06
"""Windowed-sinc low pass (Taubin et al. 1996): removes the staircase of the voxels."""
PADDING = 2
"""Empty voxels put around the mask, so that the iso-surface closes where the mask touches the border."""
BYTES_PER_VOXEL, BYTES_PER_FACE = 5, 900
"""What the surface takes at most: of the padded mask, and of each face between a voxel inside and one outside (two
triangles and a vertex, in the copies that VTK keeps while it smooths: measured 790)."""
ONE_AT_A_TIME = Lock()
"""Held while VTK works, so that the surface of another level does not take the memory that was there for this one."""
INFLATION_STEPS = 3
"""Newton steps of `inflate`: the enclosed volume is nearly linear in the distance."""


def extract_surface(mask: Bools, affine: Floats) -> Surface:
    """Return the smoothed iso-surface of a binary mask.

    Parameters
    ----------
    mask
        (i, j, k) bool; one connected component that may touch the border of the array.
    affine
        (4, 4) voxel index to world, mm, RAS+; may be left-handed.

    Returns
    -------
    Closed `Surface`, mm, world RAS+, oriented outward, that encloses the volume of the mask's voxels.

    Raises
    ------
    MemoryError
        The memory that the surface needs is not there.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    padded = np.pad(mask, PADDING)
    with ONE_AT_A_TIME:
        np.empty(bytes_needed(padded), np.uint8)  # VTK would end the process where this raises an error
        image = pv.ImageData(dimensions=padded.shape, spacing=spacing)
        image.point_data["mask"] = padded.ravel(order="F").astype(np.float32)
        mesh = image.contour([0.5], scalars="mask", method="flying_edges", compute_normals=False).clean()
        mesh = mesh.smooth_taubin(
            n_iter=SMOOTHING_ITERATIONS, pass_band=PASS_BAND, non_manifold_smoothing=True, normalize_coordinates=True
        )
    index = np.asarray(mesh.points, np.float64) / spacing - float(PADDING)
    triangles = mesh.faces.reshape(-1, 4)[:, 1:].astype(np.int32)
    surface = Surface(index @ affine[:3, :3].T + affine[:3, 3], np.ascontiguousarray(triangles)).orient_outward()
    return inflate(surface, float(mask.sum() * abs(np.linalg.det(affine[:3, :3]))))


def bytes_needed(padded: Bools) -> int:
    """Return what the surface of a padded mask takes at most, bytes."""
    faces = sum(int(np.count_nonzero(np.diff(padded, axis=axis))) for axis in range(3))
    return BYTES_PER_VOXEL * padded.size + BYTES_PER_FACE * faces


def inflate(surface: Surface, volume: float) -> Surface:
    """Return the surface moved along its normals, everywhere by the same distance, until it encloses `volume` mm^3.

    The iso-surface of a binary mask cuts the corners of its voxels, and smoothing rounds what is left. Voxels of 3 mm
    lose 2.7 % of the volume that way, and the stress would change with it. The count of voxels has no such bias.
    """
    for _ in range(INFLATION_STEPS):
        distance = (volume - surface.volume) / surface.areas.sum()
        surface = Surface(surface.vertices + distance * surface.normals, surface.triangles)
    return surface

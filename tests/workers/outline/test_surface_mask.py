"""The voxels inside a closed surface."""

from __future__ import annotations

import numpy as np
import pytest
import pyvista as pv

from workers.geometry.surface import Surface
from workers.outline.surface_mask import voxels_inside


@pytest.mark.parametrize("flipped", [False, True])
def test_voxels_are_inside_where_their_centre_is(flipped):
    centre, radius = np.array([20.3, -11.6, 305.2]), 14.0
    mesh = pv.Icosphere(radius=radius, nsub=5, center=centre)
    triangles = mesh.faces.reshape(-1, 4)[:, 1:].astype(np.int32)
    surface = Surface(np.asarray(mesh.points, np.float64), triangles).orient_outward()
    affine = np.diag([0.8, 1.0, 1.5, 1.0])
    affine[:3, 3] = [4.0, -30.0, 285.0]
    if flipped:
        affine[:3, 0], affine[0, 3] = -affine[:3, 0], 38.0
    shape = (44, 38, 28)
    inside = voxels_inside(surface, affine, shape)
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    away = np.linalg.norm(points - centre, axis=-1)
    assert inside[away < radius - 0.15].all()
    assert not inside[away > radius + 0.15].any()
    assert inside.sum() * 0.8 * 1.0 * 1.5 == pytest.approx(surface.volume, rel=0.01)

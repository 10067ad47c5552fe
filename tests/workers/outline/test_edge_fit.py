"""A segmented surface moved to the edges of the CT."""

from __future__ import annotations

import numpy as np
import pytest
import pyvista as pv
from scipy.special import expit

from workers.geometry.surface import Surface
from workers.imaging.volume import Volume
from workers.outline.edge_fit import fit_to_edges

MIDDLE = np.array([20.0, -10.0, 300.0])


def ball(radius: float) -> Surface:
    mesh = pv.Icosphere(radius=radius, nsub=4, center=MIDDLE)
    triangles = mesh.faces.reshape(-1, 4)[:, 1:].astype(np.int32)
    return Surface(np.asarray(mesh.points, np.float64), triangles).orient_outward()


def ct_of_ball(radius: float, inside_hu: float, noise_hu: float = 0.0, spacing: float = 1.0) -> Volume:
    """A ball in tissue of 60 HU, blurred over 1 mm; stored from left and front."""
    n = int(80 / spacing)
    affine = np.diag([-spacing, -spacing, spacing, 1.0])
    affine[:3, 3] = MIDDLE + np.array([40.0, 40.0, -40.0])
    points = np.moveaxis(np.indices((n, n, n)), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    depth = radius - np.linalg.norm(points - MIDDLE, axis=-1)
    hu = 60.0 + (inside_hu - 60.0) * expit(depth / 0.4)
    return Volume(hu + noise_hu * np.random.default_rng(0).standard_normal(hu.shape), affine)


def radii(surface: Surface) -> np.ndarray:
    return np.linalg.norm(surface.vertices - MIDDLE, axis=1)


@pytest.mark.parametrize("off", [-0.6, 0.0, 0.5])
def test_the_surface_comes_nearer_to_the_edge(off):
    moved = radii(fit_to_edges(ball(22.0 + off), ct_of_ball(22.0, 400.0)))
    assert abs(moved.mean() - 22.0) < 0.5 * abs(off) + 0.05
    assert moved.std() < 0.05


def test_noise_moves_it_little_and_a_ct_without_an_edge_not_at_all():
    noisy = radii(fit_to_edges(ball(22.0), ct_of_ball(22.0, 400.0, noise_hu=40.0)))
    assert abs(noisy.mean() - 22.0) < 0.1
    assert noisy.std() < 0.12
    flat = Volume(np.full((20, 20, 20), 60.0), np.diag([4.0, 4.0, 4.0, 1.0]))
    np.testing.assert_allclose(radii(fit_to_edges(ball(22.0), flat)), 22.0, atol=1e-4)


def test_a_brighter_neighbour_outside_does_not_attract():
    """HU rise outwards there: that is no edge of this bone."""
    ct = ct_of_ball(22.0, 400.0)
    inverted = Volume(460.0 - ct.voxels, ct.affine)
    np.testing.assert_allclose(radii(fit_to_edges(ball(22.0), inverted)), 22.0, atol=1e-4)

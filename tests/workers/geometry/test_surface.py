"""Triangle surfaces: areas, orientation, normals, samples."""

from __future__ import annotations

import numpy as np
import pytest
import pyvista as pv

from tests.workers.geometry.spheres import icosphere
from workers.geometry.surface import Surface


def test_a_cube_in_numbers():
    cube = pv.Cube(center=(1, 2, 3), x_length=2, y_length=3, z_length=4).triangulate().clean()
    surface = Surface(np.asarray(cube.points, float), cube.regular_faces.astype(np.int32)).orient_outward()
    assert surface.volume == pytest.approx(24.0, rel=1e-12)
    assert surface.areas.sum() == pytest.approx(52.0, rel=1e-12)
    np.testing.assert_allclose(surface.centroid, [1, 2, 3], atol=1e-12)
    np.testing.assert_allclose(surface.triangle_vectors.sum(axis=0), 0.0, atol=1e-12)
    outward = surface.vertices - surface.centroid
    assert ((surface.normals * outward).sum(axis=1) > 0.0).all()
    np.testing.assert_allclose(np.linalg.norm(surface.normals, axis=1), 1.0, rtol=1e-12)


def test_outward_turns_a_mirrored_surface_and_leaves_a_sound_one():
    sphere = icosphere(10.0, 3, (50.0, -70.0, 900.0))
    assert sphere.orient_outward() is sphere
    for mirror in (np.diag([-1.0, 1.0, 1.0]), np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]]), -np.eye(3)):
        inside_out = sphere.transform(mirror, np.array([5.0, 6.0, 7.0]))
        assert inside_out.volume == pytest.approx(-sphere.volume, rel=1e-9)
        again = inside_out.orient_outward()
        assert again.volume == pytest.approx(sphere.volume, rel=1e-9)
        np.testing.assert_array_equal(np.sort(again.triangles), np.sort(inside_out.triangles))
        assert (((again.vertices - again.centroid) * again.normals).sum(axis=1) > 9.9).all()


def test_normals_of_a_sphere_point_from_its_centre():
    sphere = icosphere(10.0, 4)
    assert (sphere.normals * sphere.vertices / 10.0).sum(axis=1).min() > 0.999


def test_samples_are_uniform_over_the_area():
    """Two rectangles, areas 1 and 9: a tenth of the samples on the first, even within each."""
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 5], [3, 0, 5], [3, 3, 5], [0, 3, 5]])
    triangles = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32)
    surface = Surface(vertices, triangles)
    samples, triangle = surface.sample(20_000)
    counts = np.bincount(triangle, minlength=4)
    np.testing.assert_allclose(counts, [1000, 1000, 9000, 9000], atol=2)
    small, large = samples[triangle < 2], samples[triangle >= 2]
    assert (small[:, 2] == 0.0).all()
    np.testing.assert_allclose(large[:, 2], 5.0, rtol=1e-14)
    for part, side in ((small, 1.0), (large, 3.0)):
        np.testing.assert_allclose(part[:, :2].mean(axis=0), side / 2, rtol=0.03)
        np.testing.assert_allclose(part[:, :2].var(axis=0), side**2 / 12, rtol=0.04)  # of a uniform distribution
        cells = np.histogram2d(*(part[:, :2] / side).T, bins=5, range=((0, 1), (0, 1)))[0]
        assert ((cells / len(part) * 25 - 1) ** 2).sum() * len(part) / 25 < 52  # chi square of 24 degrees, p = 0.001
    assert samples[:, :2].min() >= 0.0


def test_samples_repeat_and_lie_on_their_triangle():
    sphere = icosphere(10.0, 3)
    samples, triangle = sphere.sample(500)
    np.testing.assert_array_equal(samples, sphere.sample(500)[0])
    assert (samples != sphere.sample(500, seed=1)[0]).any()
    corner = sphere.vertices[sphere.triangles[triangle, 0]]
    height = ((samples - corner) * sphere.triangle_vectors[triangle]).sum(axis=1) / sphere.areas[triangle]
    assert np.abs(height).max() < 1e-12

"""Shape function gradients and the stress of single elements."""

from __future__ import annotations

import numpy as np

from tests.workers.fem.meshes import GRADIENT, SKEW, hooke, irregular_cube, six, strain_of
from workers.fem.linear_tetrahedra import element_stress, shape_gradients
from workers.fem.material import Material

BONE = Material()


def test_shape_gradients_of_a_known_element():
    points = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 5.0]])
    gradient, volume = shape_gradients(points, np.array([[0, 1, 2, 3], [0, 2, 1, 3]], np.int32))
    np.testing.assert_allclose(gradient[0], [[-0.5, -0.25, -0.2], [0.5, 0, 0], [0, 0.25, 0], [0, 0, 0.2]], atol=1e-15)
    np.testing.assert_allclose(volume, [40 / 6, -40 / 6], rtol=1e-15)


def test_rigid_motion_gives_no_stress():
    points, tets = irregular_cube(4)
    gradient, _ = shape_gradients(points, tets)
    stress = element_stress(points @ SKEW.T + [3.0, -1.0, 2.0], gradient, tets, BONE)
    assert np.abs(stress).max() <= 1e-12 * BONE.young_mpa


def test_element_stress_by_component():
    points, tets = irregular_cube(3)
    gradient, _ = shape_gradients(points, tets)
    expected = six(hooke(strain_of(GRADIENT), BONE))
    assert len({round(float(x), 9) for x in expected}) == 6  # no component can stand in for another
    stress = element_stress(points @ GRADIENT.T, gradient, tets, BONE)
    assert np.abs(stress - expected).max() <= 1e-12 * np.abs(expected).max()

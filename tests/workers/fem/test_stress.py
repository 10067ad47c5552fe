"""Principal stresses, von Mises stress and rotation of tensors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.workers.fem.meshes import six
from workers.fem.stress import principal_stresses, rotate_tensors, von_mises


@pytest.mark.parametrize(
    ("tensor", "principal", "mises"),
    [
        ((0, 0, -4, 0, 0, 0), (0, 0, -4), 4),  # uniaxial compression
        ((0, 0, 0, 3, 0, 0), (3, 0, -3), 3 * np.sqrt(3)),  # pure shear, each plane
        ((0, 0, 0, 0, 3, 0), (3, 0, -3), 3 * np.sqrt(3)),
        ((0, 0, 0, 0, 0, 3), (3, 0, -3), 3 * np.sqrt(3)),
        ((-7, -7, -7, 0, 0, 0), (-7, -7, -7), 0),  # hydrostatic
        ((5, 1, 9, 0, 0, 0), (9, 5, 1), np.sqrt(48)),
        ((1, 1, 2, 1, 0, 0), (2, 2, 0), 2),
    ],
)
def test_stress_measures_in_closed_form(tensor, principal, mises):
    tensor = np.array([tensor], float)
    some_equal = len(set(principal)) == 2  # costs half the digits
    np.testing.assert_allclose(principal_stresses(tensor), [principal], atol=1e-7 if some_equal else 1e-13)
    np.testing.assert_allclose(von_mises(tensor), [mises], atol=1e-13)


def test_stress_measures_against_numpy_and_under_rotation():
    rng = np.random.default_rng(2)
    tensor = rng.standard_normal((500, 6)) * 10.0
    full = tensor[:, [0, 3, 5, 3, 1, 4, 5, 4, 2]].reshape(-1, 3, 3)
    values = np.linalg.eigvals(full).real
    np.testing.assert_allclose(principal_stresses(tensor), -np.sort(-values, axis=1), atol=1e-11)
    s1, s2, s3 = principal_stresses(tensor).T
    by_principal = np.sqrt(0.5 * ((s1 - s2) ** 2 + (s2 - s3) ** 2 + (s3 - s1) ** 2))
    np.testing.assert_allclose(von_mises(tensor), by_principal, rtol=1e-11)
    turn = Rotation.random(500, random_state=4).as_matrix()
    turned = six(turn @ full @ turn.transpose(0, 2, 1))
    np.testing.assert_allclose(von_mises(turned), von_mises(tensor), rtol=1e-11)
    np.testing.assert_allclose(principal_stresses(turned), principal_stresses(tensor), atol=1e-11)


def test_rotating_a_tensor():
    turn = Rotation.from_rotvec([0.3, 0.8, -0.5]).as_matrix()
    t = np.array([[1.0, 2.0, 3.0, 0.4, 0.5, 0.6]])
    full = np.array([[1.0, 0.4, 0.6], [0.4, 2.0, 0.5], [0.6, 0.5, 3.0]])
    turned = turn @ full @ turn.T
    np.testing.assert_allclose(rotate_tensors(t, turn)[0], turned[[0, 1, 2, 0, 1, 2], [0, 1, 2, 1, 2, 0]])

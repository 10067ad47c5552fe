"""The stiffness matrix: symmetry, zero-energy modes, virtual work."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workers.fem.meshes import hooke, irregular_cube, strain_of
from workers.fem.assembly import assemble_stiffness
from workers.fem.linear_tetrahedra import shape_gradients
from workers.fem.material import Material
from workers.fem.sparsity import SparsityPattern

BONE = Material()


def test_stiffness_is_symmetric_and_has_just_six_zero_energy_modes():
    points, tets = irregular_cube(4)
    pattern = SparsityPattern.of(tets, len(points))
    matrix = assemble_stiffness(pattern, *shape_gradients(points, tets), BONE).toarray()
    scale = np.abs(matrix).max()
    assert np.abs(matrix - matrix.T).max() <= 1e-14 * scale
    values = np.linalg.eigvalsh(matrix)
    assert np.abs(values[:6]).max() <= 1e-13 * values[-1]
    assert values[6] >= 1e-4 * values[-1]
    translations = np.tile(np.eye(3), (len(points), 1))
    rotations = np.concatenate([np.cross(axis, points)[:, :, None] for axis in np.eye(3)], axis=2).reshape(-1, 3)
    assert np.abs(matrix @ np.hstack([translations, rotations])).max() <= 1e-13 * scale


def test_stiffness_of_one_element_by_virtual_work():
    """u' K v is the volume integral of strain(u) : stress(v), here with nodal fields at random."""
    rng = np.random.default_rng(5)
    points = np.array([[0.0, 0.0, 0.0], [2.0, 0.1, 0.0], [0.3, 1.4, 0.2], [0.1, 0.2, 1.7]])
    tets = np.array([[0, 1, 2, 3]], np.int32)
    gradient, volume = shape_gradients(points, tets)
    matrix = assemble_stiffness(SparsityPattern.of(tets, 4), gradient, volume, BONE)
    for _ in range(5):
        u, v = rng.standard_normal((2, 4, 3))
        du, dv = (w.T @ gradient[0] for w in (u, v))
        work = volume[0] * np.sum(strain_of(du) * hooke(strain_of(dv), BONE))
        assert u.ravel() @ (matrix @ v.ravel()) == pytest.approx(work, rel=1e-12)

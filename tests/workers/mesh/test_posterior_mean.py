"""The posterior mean by conjugate gradients beside the dense equations."""

from __future__ import annotations

import numpy as np

from workers.mesh.posterior_mean import POINT_TO_POINT, GramSpectrum, PairSums, posterior_mean


def test_it_is_the_solution_of_the_dense_equations():
    """Of the least squares of all pairs, along the normals and a little across, and of the prior."""
    random = np.random.default_rng(0)
    pairs, nodes, modes = 400, 90, 12
    basis, node = random.standard_normal((nodes, modes)).astype(np.float32), random.integers(0, nodes, pairs)
    phi = basis[node]
    normals = random.standard_normal((pairs, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    offset, weight = random.standard_normal((pairs, 3)), random.uniform(0.0, 4.0, pairs)
    metric = normals[:, :, None] * normals[:, None, :] + POINT_TO_POINT * np.eye(3)
    matrix = np.einsum("p,pm,pab,pn->manb", weight, phi, metric, phi).reshape(3 * modes, -1) + np.eye(3 * modes)
    right = np.einsum("p,pm,pab,pb->ma", weight, phi, metric, offset).ravel()
    expected = np.linalg.solve(matrix, right).reshape(modes, 3)
    sums = PairSums.of(node, offset, normals, weight, nodes)
    spectrum = GramSpectrum.of(basis.T @ basis, nodes)
    found = posterior_mean(basis, sums, np.zeros((modes, 3)), spectrum)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=0.01 * np.abs(expected).max())
    closer = posterior_mean(basis, sums, expected, spectrum)
    np.testing.assert_allclose(closer, expected, atol=1e-6)


def test_without_pairs_it_is_the_prior():
    up = np.tile([0.0, 0.0, 1.0], (5, 1))
    pairs = PairSums.of(np.arange(5), np.ones((5, 3)), up, np.zeros(5), 5)
    phi = np.ones((5, 3), np.float32)
    spectrum = GramSpectrum.of(phi.T @ phi, 5)
    np.testing.assert_array_equal(posterior_mean(phi, pairs, np.zeros((3, 3)), spectrum), np.zeros((3, 3)))


def test_the_spectrum_solves_with_any_weight():
    basis = np.random.default_rng(0).standard_normal((90, 12)).astype(np.float32)
    right = np.random.default_rng(1).standard_normal((12, 3))
    for weight in (0.0, 0.3, 40.0):
        matrix = np.eye(12) + weight * basis.astype(np.float64).T @ basis
        found = GramSpectrum.of(basis.T @ basis, 90).solve(weight, right)
        np.testing.assert_allclose(found, np.linalg.solve(matrix, right), rtol=1e-4)

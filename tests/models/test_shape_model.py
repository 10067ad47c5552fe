"""The shipped shape model against its kernel."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from models.shape_model import AMPLITUDES_MM, LENGTH_MM, ShapeModel, kernel


def test_kernel_in_closed_form():
    x = np.array([[0.0, 0, 0], [3.0, -4.0, 12.0]])  # 13 mm apart
    lengths = LENGTH_MM / np.array([1, 2, 4, 8])
    squared = np.square(AMPLITUDES_MM)
    near, far = squared.sum(), (squared * np.exp(-(13.0**2) / (2 * lengths**2))).sum()
    np.testing.assert_allclose(kernel(x, x), [[near, far], [far, near]], rtol=1e-5)


def test_basis_at_the_landmarks_is_the_kernels_own_eigenbasis(bundle):
    """Nyström is exact on the landmarks: columns are orthogonal and as long as the roots of the eigenvalues."""
    model: ShapeModel = bundle.shape_model
    assert model.weights.shape == (2000, 600)
    basis = model.basis(model.landmarks).astype(float)
    matrix = kernel(model.landmarks, model.landmarks).astype(float)
    values = scipy.linalg.eigvalsh(matrix)[::-1]
    gram = basis.T @ basis
    norms = np.sqrt(np.diag(gram))
    np.testing.assert_allclose(norms**2, values[:600], rtol=2e-3)
    cosine = gram / np.outer(norms, norms) - np.eye(600)
    assert np.abs(cosine).max() <= 0.01
    assert np.abs(cosine[:300, :300]).max() <= 1e-3
    left_out = np.abs(scipy.linalg.eigvalsh(matrix - basis @ basis.T))
    assert left_out.max() <= 1.05 * values[600]
    np.testing.assert_allclose(
        matrix @ basis[:, :20], basis[:, :20] * values[:20], atol=1e-3 * values[0] * norms[0] / 40
    )


def test_from_landmarks_rebuilds_the_shipped_model(bundle):
    model = bundle.shape_model
    again = ShapeModel.from_landmarks(model.landmarks, model.n_modes)
    points = bundle.template.nodes[::400]
    ours, theirs = model.basis(points)[:, :40], again.basis(points)[:, :40]
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_basis_in_blocks_is_the_basis(bundle):
    model = bundle.shape_model
    points = bundle.template.nodes[::5][: 16_384 + 300]
    whole = model.basis(points)
    assert len(whole) == 16_684
    np.testing.assert_allclose(whole[16_300:16_500], model.basis(points[16_300:16_500]), atol=5e-4)


def test_variance_of_the_field_is_the_kernels(bundle):
    """600 modes keep nearly all of 6^2 + 3^2 + 1.2^2 + 0.6^2 = 46.8 mm^2 at every node, inside and out."""
    basis = bundle.shape_model.basis(bundle.template.nodes[::100])
    variance = (basis.astype(float) ** 2).sum(axis=1)
    assert variance.max() <= 46.8 * 1.001
    assert variance.min() >= 0.9 * 46.8

"""Similarity transforms from pairs of points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from workers.geometry.similarity import Similarity


@pytest.mark.parametrize("weighted", [False, True])
def test_similarity_is_recovered_exactly(weighted):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 3)) * [30, 20, 10]
    truth = Similarity(0.83, Rotation.from_rotvec([2.0, -1.0, 0.7]).as_matrix(), np.array([-120.0, 40.0, 900.0]))
    y = truth.apply(x)
    weights = None
    if weighted:
        weights = np.ones(50)
        y[0], weights[0] = 1e3, 0.0  # an outlier that does not count
    found = Similarity.between(x, y, weights)
    assert found.scale == pytest.approx(0.83, rel=1e-10)
    np.testing.assert_allclose(found.rotation, truth.rotation, atol=1e-10)
    np.testing.assert_allclose(found.translation, truth.translation, atol=1e-8)
    np.testing.assert_allclose(truth.apply_inverse(truth.apply(x)), x, atol=1e-10)


def test_similarity_never_mirrors():
    x = np.random.default_rng(1).standard_normal((50, 3))
    found = Similarity.between(x, x * [-1.0, 1.0, 1.0])
    assert np.linalg.det(found.rotation) == pytest.approx(1.0, abs=1e-12)

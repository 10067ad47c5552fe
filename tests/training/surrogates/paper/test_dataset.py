"""The arrays that the networks learn from."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("fpsample", reason="fpsample is not installed (make training)")

from tests.training.surrogates.paper.shapes import N_SURFACE, make_sample
from training.surrogates.paper.dataset import SIZE_MM, farthest_point_samples, stress_components


def test_farthest_points_spread_and_differ_by_seed():
    points = np.random.default_rng(0).uniform(0, 1, (2000, 3)).astype(np.float32)
    chosen = farthest_point_samples(points, 50)
    assert chosen.shape == (5, 50)
    assert all(len(np.unique(c)) == 50 for c in chosen)
    assert len({tuple(sorted(c)) for c in chosen}) == 5

    def gap(ids):
        d = np.linalg.norm(points[ids][:, None] - points[ids][None], axis=2)
        return np.median((d + 9.0 * np.eye(len(ids))).min(axis=1))

    assert min(gap(c) for c in chosen) > 1.3 * gap(np.arange(50))


def test_data_set(data):
    assert data.surface.shape == (60, N_SURFACE, 3)
    assert data.surface_stress.shape == (60, 4, N_SURFACE)
    assert data.internal.shape == (60, 5, 64, 3)
    first = make_sample(0, "p0")
    np.testing.assert_allclose(data.surface[0] * SIZE_MM, first.points[:N_SURFACE], rtol=1e-6)
    stress = stress_components(first.tensor)
    np.testing.assert_allclose(stress[:, 2], first.tensor[:, 2], rtol=1e-5)
    np.testing.assert_allclose(stress[:, 3], -first.tensor[:, 2], rtol=1e-5)
    np.testing.assert_allclose(data.extremes[0, 2], [stress[:, 2].min(), stress[:, 2].max()])

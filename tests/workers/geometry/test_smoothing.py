"""Eqs. 4 and 5 against the formula written out, node by node."""

from __future__ import annotations

import numpy as np
import pytest

from workers.geometry.smoothing import nearest_neighbours, smooth

N_SURFACE = 30


@pytest.fixture(scope="module")
def cloud():
    random = np.random.default_rng(0)
    return random.uniform(0, 10, (200, 3)), random.uniform(0, 1, (200, 2))


def by_hand(values, points, neighbours, iterations):
    old = values.copy()
    for _ in range(iterations):
        new = old.copy()
        for i, near in enumerate(neighbours, start=N_SURFACE):
            distance = np.linalg.norm(points[near] - points[i], axis=1)
            w = np.exp(-(distance**2) / (2 * distance.mean() ** 2))
            new[i] = w @ old[near] / w.sum()
        old = new
    return old


def test_neighbours_are_the_nearest(cloud):
    points, _ = cloud
    near = nearest_neighbours(points, N_SURFACE)
    assert near.shape == (170, 10)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    for i in (N_SURFACE, 111, 199):
        assert set(near[i - N_SURFACE]) == set(np.argsort(distance[i])[:10])


@pytest.mark.parametrize("iterations", [1, 2, 7])
def test_the_equations(cloud, iterations):
    points, values = cloud
    near = nearest_neighbours(points, N_SURFACE)
    expected = by_hand(values, points, near, iterations)
    np.testing.assert_allclose(smooth(values, points, near, iterations), expected, atol=2e-6)


def test_the_surface_stays(cloud):
    points, values = cloud
    out = smooth(values, points, nearest_neighbours(points, N_SURFACE))
    np.testing.assert_array_equal(out[:N_SURFACE], values[:N_SURFACE].astype(np.float32))
    assert np.ptp(out[N_SURFACE:, 0]) < 0.6 * np.ptp(values[N_SURFACE:, 0])


def test_a_constant_stays(cloud):
    points, _ = cloud
    out = smooth(np.full((200, 1), 3.0), points, nearest_neighbours(points, N_SURFACE))
    np.testing.assert_allclose(out, 3.0, rtol=1e-5)

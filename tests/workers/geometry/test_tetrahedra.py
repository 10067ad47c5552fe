"""Mean ratio in closed form, and the repair of tangled meshes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from workers.geometry.tetrahedra import _INVERSE_IDEAL, Incidence, _node_energy, mean_ratio, relax

REGULAR = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
ONE = np.array([[0, 1, 2, 3]], np.int32)
SIX_TETS = [(0, 4, 6, 7), (0, 6, 2, 7), (0, 2, 3, 7), (0, 3, 1, 7), (0, 1, 5, 7), (0, 5, 4, 7)]


def grid(cells):
    """A cube of `cells`^3 cells of 1 mm, six tetrahedra each."""
    points = np.argwhere(np.ones((cells + 1,) * 3)).astype(float)
    ids = np.arange(len(points)).reshape((cells + 1,) * 3)
    corners = [ids[i : i - 1 or None, j : j - 1 or None, k : k - 1 or None] for i, j, k in np.ndindex(2, 2, 2)]
    corner = np.stack(corners, -1).reshape(-1, 8)
    return points, np.concatenate([corner[:, list(t)] for t in SIX_TETS]).astype(np.int32)


def one(points):
    quality, volume = mean_ratio(np.asarray(points, float), ONE)
    return quality[0], volume[0]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 40.0])
def test_regular_is_one(scale):
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    quality, volume = one(scale * REGULAR @ (turn * np.linalg.det(turn)).T + 7.0)
    edge = scale * np.sqrt(8.0)
    assert abs(quality) == pytest.approx(1.0, rel=1e-9)
    assert abs(volume) == pytest.approx(edge**3 / (6.0 * np.sqrt(2.0)), rel=1e-9)


def test_sign_is_the_orientation():
    for order in itertools.permutations(range(4)):
        parity = np.linalg.det(np.eye(4)[list(order)])
        quality, volume = one(REGULAR[list(order)])
        base, base_volume = one(REGULAR)
        assert quality == pytest.approx(parity * base, rel=1e-12)
        assert volume == pytest.approx(parity * base_volume, rel=1e-12)


def test_corner_of_a_cube():
    quality, volume = one([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert quality == pytest.approx(12.0 * 0.5 ** (2 / 3) / 9.0, rel=1e-12)
    assert volume == pytest.approx(1 / 6, rel=1e-12)


@pytest.mark.parametrize("height", [0.01, 0.3, np.sqrt(2 / 3), 5.0, 100.0])
def test_needles_and_slivers(height):
    """An apex over the centre of an equilateral triangle of side 1."""
    base = [[0, 0, 0], [1, 0, 0], [0.5, np.sqrt(3) / 2, 0]]
    quality, volume = one([*base, [0.5, np.sqrt(3) / 6, height]])
    three_volumes = np.sqrt(3) / 4 * height
    assert volume == pytest.approx(three_volumes / 3, rel=1e-12)
    assert quality == pytest.approx(12 * three_volumes ** (2 / 3) / (3 + 3 * (1 / 3 + height**2)), rel=1e-9)
    assert one([*base, [0.5, np.sqrt(3) / 6, -height]])[0] == pytest.approx(-quality, rel=1e-12)


def test_flat_and_collapsed_are_zero():
    assert one([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]) == (0.0, 0.0)
    assert one(np.zeros((4, 3))) == (0.0, 0.0)


def test_incidence_lists_every_element_of_a_node_once():
    points, tets = grid(3)
    incidence = Incidence.of(tets, len(points))
    for node in range(len(points)):
        around = incidence.tets[incidence.start[node] : incidence.start[node + 1]]
        np.testing.assert_array_equal(np.sort(around), np.flatnonzero((tets == node).any(axis=1)))


def energy(points, tets, incidence, node, x, delta):
    gradient = np.empty(3)
    value = _node_energy(points, node, x, tets, incidence.start, incidence.tets, _INVERSE_IDEAL, delta, gradient)
    return value, gradient


@pytest.mark.parametrize("delta", [1e-4, 0.05, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_gradient_of_the_energy(delta, seed):
    """Central differences, at sound and at inverted positions of the node; every slot of its elements occurs."""
    rng = np.random.default_rng(seed)
    points, tets = grid(2)
    points += rng.uniform(-0.2, 0.2, points.shape)
    incidence = Incidence.of(tets, len(points))
    node = 13  # the middle of the grid
    assert {int(np.flatnonzero(row == node)[0]) for row in tets if node in row} == {0, 1, 2, 3}
    for reach in (0.1, 0.9)[: 1 + (delta > 0.01)]:  # with a small delta the inverted side is too steep for differences
        x = points[node] + rng.uniform(-reach, reach, 3)
        value, gradient = energy(points, tets, incidence, node, x, delta)
        h = 1e-6
        steps = h * np.eye(3)
        numeric = [
            (energy(points, tets, incidence, node, x + s, delta)[0]
             - energy(points, tets, incidence, node, x - s, delta)[0]) / (2 * h)
            for s in steps
        ]  # fmt: skip
        assert value > 0.0
        np.testing.assert_allclose(gradient, numeric, rtol=2e-4, atol=2e-4 * np.abs(numeric).max())


def test_energy_of_ideal_elements_is_their_number():
    """kappa = 1 for the regular tetrahedron, so a node with one element has energy 1 and no slope."""
    points = np.linalg.inv(_INVERSE_IDEAL).T
    points = np.concatenate([np.zeros((1, 3)), points])
    incidence = Incidence.of(ONE, 4)
    for node in range(4):
        value, gradient = energy(points, ONE, incidence, node, points[node].copy(), 1e-9)
        assert value == pytest.approx(1.0, rel=1e-6)
        assert np.abs(gradient).max() < 1e-6


def tangled(seed):
    points, tets = grid(6)
    rng = np.random.default_rng(seed)
    inside = np.flatnonzero(((points > 0) & (points < 6)).all(axis=1))
    victims = rng.choice(inside, 12, replace=False)
    bad = points.copy()
    bad[victims] += 1.6 * rng.standard_normal((12, 3)) / np.sqrt(3)
    assert (mean_ratio(bad, tets)[1] <= 0.0).sum() >= 20
    return bad, tets, inside.astype(np.int32)


@pytest.mark.parametrize("seed", range(5))
def test_relax_untangles(seed):
    points, tets, inside = tangled(seed)
    before = points.copy()
    incidence = Incidence.of(tets, len(points))
    for _ in range(6):
        relax(points, tets, incidence, inside, np.full(len(inside), 1.5))
    quality, volume = mean_ratio(points, tets)
    assert volume.min() > 0.0
    assert quality.min() > 0.3
    outside = np.setdiff1d(np.arange(len(points)), inside)
    np.testing.assert_array_equal(points[outside], before[outside])


@pytest.mark.parametrize("limit_mm", [0.0, 0.05, 0.4])
def test_relax_keeps_each_node_within_its_limit(limit_mm):
    points, tets, inside = tangled(1)
    before = points.copy()
    limit = np.full(len(inside), limit_mm)
    limit[::2] *= 0.5
    relax(points, tets, Incidence.of(tets, len(points)), inside, limit, sweeps=10)
    moved = np.linalg.norm(points - before, axis=1)
    assert (moved[inside] <= limit + 1e-12).all()
    if limit_mm:
        assert moved[inside].max() > 0.9 * limit_mm
        assert moved[inside][::2].max() > 0.9 * 0.5 * limit_mm
    else:
        np.testing.assert_array_equal(points, before)


def test_relax_lifts_poor_elements_that_are_not_inverted():
    points, tets = grid(4)
    inside = np.flatnonzero(((points > 0) & (points < 4)).all(axis=1)).astype(np.int32)
    points[inside] += np.random.default_rng(3).uniform(-0.3, 0.3, (len(inside), 3))
    before, volume = mean_ratio(points, tets)
    assert volume.min() > 0.0
    relax(points, tets, Incidence.of(tets, len(points)), inside, np.full(len(inside), 1.0), sweeps=8)
    after = mean_ratio(points, tets)[0]
    assert after.min() > 2.0 * before.min()
    assert after.mean() > before.mean()

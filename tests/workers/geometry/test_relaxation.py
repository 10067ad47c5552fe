"""The energy of relaxation and its gradient, and the repair of tangled meshes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workers.geometry.meshes import grid
from workers.geometry.incidence import Incidence
from workers.geometry.relaxation import CONE_ROWS, _cones, _energy, energy_delta, relax
from workers.geometry.tetrahedra import mean_ratio

ONE = np.array([[0, 1, 2, 3]], np.int32)


REGULAR = np.array([[1.0, 0.0, 0.0], [0.5, np.sqrt(3) / 2, 0.0], [0.5, np.sqrt(3) / 6, np.sqrt(2.0 / 3.0)]])
"""Edges of the regular tetrahedron with edges of length 1, in rows."""


def energy(points, tets, incidence, node, x, delta):
    """The kernel's energy and gradient (3,) of a node that moves to x."""
    cones = np.empty((CONE_ROWS, len(tets)))
    count = _cones(points, node, tets, incidence.start, incidence.tets, cones)
    value, *gradient = _energy(cones, count, *(x - points[node]), delta)
    return value, np.array(gradient)


def energy_by_definition(points, tets, node, x, delta):
    """The sum of kappa^2 over the tetrahedra around a node, from edge matrices."""
    points = points.copy()
    points[node] = x
    total = 0.0
    for tet in tets[(tets == node).any(axis=1)]:
        s = (points[tet[1:]] - points[tet[0]]).T @ np.linalg.inv(REGULAR.T)
        det = np.linalg.det(s)
        h = 0.5 * (det + np.sqrt(det**2 + 4.0 * delta**2))
        total += ((s**2).sum() / (3.0 * h ** (2.0 / 3.0))) ** 2
    return total


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
        assert value == pytest.approx(energy_by_definition(points, tets, node, x, delta), rel=1e-8)
        np.testing.assert_allclose(gradient, numeric, rtol=2e-4, atol=2e-4 * np.abs(numeric).max())


def test_energy_of_ideal_elements_is_their_number():
    """kappa = 1 for the regular tetrahedron, so a node with one element has energy 1 and no slope."""
    points = np.concatenate([np.zeros((1, 3)), REGULAR])
    incidence = Incidence.of(ONE, 4)
    for node in range(4):
        value, gradient = energy(points, ONE, incidence, node, points[node].copy(), 1e-9)
        assert value == pytest.approx(1.0, rel=1e-6)
        assert np.abs(gradient).max() < 1e-6


def delta_of(points, tets):
    return energy_delta(mean_ratio(points, tets)[1])


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
        relax(points, tets, incidence, inside, np.full(len(inside), 1.5), delta_of(points, tets))
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
    relax(points, tets, Incidence.of(tets, len(points)), inside, limit, delta_of(points, tets), sweeps=10)
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
    relax(points, tets, Incidence.of(tets, len(points)), inside, np.full(len(inside), 1.0), energy_delta(volume), 8)
    after = mean_ratio(points, tets)[0]
    assert after.min() > 2.0 * before.min()
    assert after.mean() > before.mean()

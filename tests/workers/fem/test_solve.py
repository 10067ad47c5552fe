"""Patch tests, and the refusal of distorted meshes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workers.fem.meshes import (
    GRADIENT,
    hooke,
    irregular_cube,
    on_boundary,
    outer_triangles,
    six,
    strain_of,
    structured_cube,
)
from workers.fem.errors import DistortedMesh
from workers.fem.material import Material
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan

BONE = Material()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_patch_with_prescribed_boundary(seed):
    points, tets = irregular_cube(5, seed)
    boundary = on_boundary(points)
    assert len(points) - len(boundary) >= 60
    exact = points @ GRADIENT.T + [0.1, -0.2, 0.05]
    plan = SolvePlan(tets, len(points), boundary)
    solution = solve(points, plan, np.zeros_like(points), prescribed=exact)
    field = solution.field
    assert np.abs(field.displacement - exact).max() <= 1e-9 * np.abs(exact).max()
    stress = six(hooke(strain_of(GRADIENT), BONE))
    assert np.abs(field.tensor - stress).max() <= 1e-9 * np.abs(stress).max()
    assert np.abs(solution.reaction).max() <= 1e-9 * np.abs(stress).max()
    full = hooke(strain_of(GRADIENT), BONE)
    np.testing.assert_allclose(field.principal, np.tile(np.linalg.eigvalsh(full)[::-1], (len(points), 1)), rtol=1e-8)
    deviator = full - np.trace(full) / 3.0 * np.eye(3)
    np.testing.assert_allclose(field.von_mises, np.sqrt(1.5 * (deviator**2).sum()), rtol=1e-9)


def test_patch_under_uniaxial_traction():
    """The bottom face moves as the exact solution does, the top is pulled, the sides are free."""
    points, tets = irregular_cube(5, 3)
    pull = 2.5
    e, nu = BONE.young_mpa, BONE.poisson
    exact = pull / e * points * [-nu, -nu, 1.0]
    outer = outer_triangles(tets)
    top = outer[(points[outer, 2] == 1.0).all(axis=1)]
    a, b, c = (points[top[:, i]] for i in range(3))
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    assert area.std() > 0.2 * area.mean()
    force = np.zeros_like(points)
    np.add.at(force[:, 2], top.ravel(), np.repeat(pull * area / 3.0, 3))
    plan = SolvePlan(tets, len(points), np.flatnonzero(points[:, 2] == 0.0))
    solution = solve(points, plan, force, prescribed=exact)
    assert np.abs(solution.field.displacement - exact).max() <= 1e-9 * np.abs(exact).max()
    np.testing.assert_allclose(
        solution.field.tensor, np.tile([0, 0, pull, 0, 0, 0], (len(points), 1)), atol=1e-9 * pull
    )
    np.testing.assert_allclose(solution.field.von_mises, pull, rtol=1e-9)
    np.testing.assert_allclose(solution.reaction, [0.0, 0.0, -pull], atol=1e-9 * pull)


def test_patch_large_enough_for_the_multigrid():
    """1,331 nodes: the hierarchy has a level, so prescribed rows pass through it too."""
    points, tets = irregular_cube(10)
    plan = SolvePlan(tets, len(points), on_boundary(points))
    assert len(plan.hierarchy.steps) >= 1
    exact = points @ GRADIENT.T
    solution = solve(points, plan, np.zeros_like(points), prescribed=exact)
    assert np.abs(solution.field.displacement - exact).max() <= 1e-8 * np.abs(exact).max()


def test_prescribed_values_of_free_nodes_are_ignored():
    points, tets = irregular_cube(4)
    boundary = on_boundary(points)
    exact = points @ GRADIENT.T
    wrong = exact + 7.0
    wrong[boundary] = exact[boundary]
    plan = SolvePlan(tets, len(points), boundary)
    one, other = (solve(points, plan, np.zeros_like(points), prescribed=p).field.displacement for p in (exact, wrong))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("height", [0.0, -0.4])
def test_flat_and_inverted_elements_are_refused(height):
    points, tets = structured_cube(2)
    plan = SolvePlan(tets, len(points), np.flatnonzero(points[:, 2] == 0.0))
    bad = points.copy()
    middle = np.flatnonzero((points == 0.5).all(axis=1))
    bad[middle, 2] = height
    with pytest.raises(DistortedMesh) as caught:
        solve(bad, plan, np.zeros_like(bad))
    assert caught.value.expected == "every element volume > 0 mm^3"
    assert caught.value.got.endswith("elements with volume <= 0")
    assert int(caught.value.got.split()[0]) > 0

"""Exact shape derivatives against finite differences of whole solves."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workers.fem.meshes import block_template
from training.surrogates.tangent.shape_derivative import SolvedMesh
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan

BOX = block_template()
PLAN = SolvePlan(BOX.tets, len(BOX.nodes), BOX.fixed_nodes)
X, Y, Z = BOX.nodes.T
START = np.stack([X + 0.02 * Z**2, Y + 0.1 * Z, Z * (1.0 + 0.01 * X - 0.005 * Y)], axis=1)


def solve_box(points):
    field = solve(points, PLAN, endplate_traction(points, BOX.superior, BOX.inferior, REFERENCE_LOAD_NEWTON)).field
    return field.displacement, field.tensor


@pytest.fixture(scope="module")
def mesh():
    return SolvedMesh(START, BOX, PLAN)


def test_the_mesh_is_solved(mesh):
    displacement, tensor = solve_box(START)
    np.testing.assert_allclose(mesh.displacement, displacement)
    np.testing.assert_allclose(mesh.tensor, tensor)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_derivatives_are_those_of_the_solution(mesh, seed):
    """Central differences converge to it: error falls by four when the step halves."""
    random = np.random.default_rng(seed)
    a, b = random.standard_normal((2, 3, 3)) / 20.0
    direction = np.sin(START @ a) @ b.T * 10.0
    du, ds = mesh.derivative(direction)
    errors = []
    for step in (0.2, 0.1):
        (u1, s1), (u0, s0) = solve_box(START + step * direction), solve_box(START - step * direction)
        errors.append(
            [
                np.abs((u1 - u0) / (2 * step) - du).max() / np.abs(du).max(),
                np.abs((s1 - s0) / (2 * step) - ds).max() / np.abs(ds).max(),
            ]
        )
    (u_far, s_far), (u_near, s_near) = errors
    assert u_near < 1e-3
    assert s_near < 5e-3
    assert u_far / u_near == pytest.approx(4.0, rel=0.2)
    assert s_far / s_near == pytest.approx(4.0, rel=0.2)


def test_growth_changes_the_stress_by_minus_twice_its_share(mesh):
    """Scaling by 1 + e under the same load divides the stress by (1 + e)^2."""
    _, ds = mesh.derivative(START)
    np.testing.assert_allclose(ds, -2.0 * mesh.tensor, atol=1e-4 * np.abs(mesh.tensor).max())


def test_a_rigid_shift_changes_nothing(mesh):
    du, ds = mesh.derivative(np.ones_like(START))
    assert np.abs(du).max() < 1e-9
    assert np.abs(ds).max() < 1e-9

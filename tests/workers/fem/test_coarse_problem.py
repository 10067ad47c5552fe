"""The coarse problem: where the coarse mesh is the fine one it must give the fine solution."""

from __future__ import annotations

import numpy as np
import pytest

from models.coarse_mesh import CoarseMesh
from tests.workers.fem.meshes import block_template
from workers.fem.coarse_problem import CoarseProblem
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan

BOX = block_template()
LOADED = BOX.loaded_nodes


def bent(points, amount):
    x, y, z = points.T
    return np.stack([x + amount * 0.02 * z**2, y + amount * 0.1 * z, z * (1.0 + amount * 0.01 * x)], axis=1)


def traction(points):
    return endplate_traction(points, BOX.superior, BOX.inferior, REFERENCE_LOAD_NEWTON)


@pytest.fixture(scope="module")
def same():
    """Coarse mesh = fine mesh; each node and element is its own host."""
    own = np.arange(len(BOX.tets), dtype=np.int32)
    host = np.zeros(len(BOX.nodes), np.int32)
    host[BOX.tets.ravel()] = np.repeat(own, 4)
    return CoarseProblem(CoarseMesh(BOX.nodes, BOX.tets, BOX.fixed_nodes, host, own, host), BOX)


@pytest.mark.parametrize("amount", [0.0, 0.5, 1.0])
def test_pulled_back_elasticity_is_elasticity(same, amount):
    points = bent(BOX.nodes, amount)
    fine = solve(points, SolvePlan(BOX.tets, len(BOX.nodes), BOX.fixed_nodes), traction(points)).field.tensor
    ours = same.stress(points, LOADED, traction(points)[LOADED], tolerance=1e-10)
    np.testing.assert_allclose(ours, fine, atol=1e-6 * np.abs(fine).max())


def test_a_learned_start_changes_the_way_not_the_answer(same):
    points = bent(BOX.nodes, 1.0)
    before = same.stress(points, LOADED, traction(points)[LOADED], tolerance=1e-10)
    same.set_reference(BOX.nodes, LOADED, traction(BOX.nodes)[LOADED])
    after = same.stress(points, LOADED, traction(points)[LOADED], tolerance=1e-10)
    np.testing.assert_allclose(after, before, atol=1e-6 * np.abs(before).max())

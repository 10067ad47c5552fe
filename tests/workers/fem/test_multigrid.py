"""The preconditioner: iterations hardly grow with the mesh, and the answer is a direct solver's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse.linalg

from tests.workers.fem.meshes import structured_cube
from workers.fem.assembly import assemble_stiffness
from workers.fem.linear_tetrahedra import shape_gradients
from workers.fem.material import Material
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan

BONE = Material()


def compressed_cube(cells):
    points, tets = structured_cube(cells)
    plan = SolvePlan(tets, len(points), np.flatnonzero(points[:, 2] == 0.0))
    force = np.zeros_like(points)
    top = points[:, 2] == 1.0
    force[top, 2] = -1.0 / top.sum()
    force[top, 0] = 0.3 / top.sum()
    return points, plan, force


def test_iterations_hardly_grow_with_the_mesh():
    counts, levels = [], []
    for cells in (8, 16, 28):
        points, plan, force = compressed_cube(cells)
        counts.append(solve(points, plan, force).iterations)
        levels.append(len(plan.hierarchy.steps))
    assert levels[0] >= 1
    assert levels[-1] > levels[0]
    assert counts[-1] <= 1.5 * counts[0]
    np.testing.assert_allclose(counts, [14, 15, 20], atol=2)  # as measured; a worse smoother costs a quarter more


@pytest.mark.parametrize("cells", [5, 9])
def test_same_as_a_direct_solver(cells):
    points, plan, force = compressed_cube(cells)
    prescribed = 0.01 * np.random.default_rng(1).standard_normal(points.shape)
    solution = solve(points, plan, force, prescribed=prescribed)
    matrix = assemble_stiffness(plan.pattern, *shape_gradients(points, plan.pattern.tets), BONE).tocsc()
    free = np.repeat(~plan.fixed, 3)
    exact = np.where(plan.fixed[:, None], prescribed, 0.0).ravel()
    right = (force.ravel() - matrix @ exact)[free]
    exact[free] = scipy.sparse.linalg.spsolve(matrix[free][:, free], right)
    assert np.abs(solution.field.displacement.ravel() - exact).max() <= 1e-7 * np.abs(exact).max()
    reaction = (matrix @ exact - force.ravel()).reshape(-1, 3)[plan.fixed].sum(axis=0)
    np.testing.assert_allclose(solution.reaction, reaction, atol=1e-6 * np.abs(reaction).max())

"""The parts of the two-level solver against dense algebra on a small box, and the solver against the exact one."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from tests.workers.fem.coarse_boxes import COARSE, FINE, bent
from workers.fem.assembly import assemble_stiffness
from workers.fem.coarse_space import CoarseSpace
from workers.fem.edge_assembly import EdgePattern, assemble_edges
from workers.fem.energy_cg import LEAST_EIGENVALUE, MAX_CYCLES, radau_factor, solve_to_energy_error
from workers.fem.errors import DistortedMesh, NotConverged
from workers.fem.gauss_seidel import residual_of_forward, sweep_backward, sweep_forward
from workers.fem.linear_tetrahedra import shape_gradients
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.material import Material
from workers.fem.slabs import SlabOrder
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan
from workers.fem.template_solver import TemplateSolver
from workers.fem.two_level import TwoLevel

POINTS = bent(FINE.nodes)
PLAN = SolvePlan(FINE.tets, len(FINE.nodes), FINE.fixed_nodes)
FORCE = endplate_traction(POINTS, FINE.superior, FINE.inferior, REFERENCE_LOAD_NEWTON)
FREE = np.repeat(~PLAN.fixed, 3)


@pytest.fixture(scope="module")
def solver():
    return TemplateSolver(FINE, COARSE, PLAN.pattern)


@pytest.fixture(scope="module")
def system(solver):
    """Blocks and inverses of the bent box, in the order of the rows."""
    elements = shape_gradients(POINTS, FINE.tets, np.float32)
    return assemble_edges(solver.pattern, solver.edges, *elements, solver.fixed, Material())


@pytest.fixture(scope="module")
def dense(solver, system):
    """The matrix of the system."""
    return scipy.sparse.bsr_array((system[0], solver.pattern.indices, solver.pattern.indptr)).toarray().astype(float)


@pytest.fixture(scope="module")
def preconditioner(solver, system):
    return TwoLevel(solver.space, solver.order, *system, solver.space.positions(POINTS))


def columns(function, n):
    """The matrix of a linear function of (n, 3) float32."""
    return np.column_stack([function(unit.reshape(-1, 3)).ravel() for unit in np.eye(3 * n, dtype=np.float32)])


def test_assembly_edge_by_edge_gives_the_same_matrix():
    gradient, volume = shape_gradients(POINTS, FINE.tets)
    expected = PLAN.impose_dirichlet(assemble_stiffness(PLAN.pattern, gradient, volume, Material()).data)
    edges = EdgePattern.of(PLAN.pattern)
    single = (gradient.astype(np.float32), volume.astype(np.float32))
    blocks, inverse = assemble_edges(PLAN.pattern, edges, *single, PLAN.fixed, Material())
    others = np.setdiff1d(np.arange(len(blocks)), PLAN.fixed_diagonal)
    np.testing.assert_allclose(blocks[others], expected[others], atol=1e-6 * np.abs(expected).max())
    np.testing.assert_array_equal(blocks[PLAN.fixed_diagonal], np.tile(np.eye(3), (len(PLAN.fixed_diagonal), 1, 1)))
    own = expected[PLAN.free_diagonal].astype(np.float64)
    np.testing.assert_allclose(inverse[~PLAN.fixed] @ own, np.tile(np.eye(3), (len(own), 1, 1)), atol=1e-5)


def test_no_two_slabs_of_a_half_touch():
    order = SlabOrder.of(PLAN.pattern.indptr, PLAN.pattern.indices)
    np.testing.assert_array_equal(np.sort(order.nodes), np.arange(len(FINE.nodes)))
    np.testing.assert_array_equal(order.rank[order.nodes], np.arange(len(FINE.nodes)))
    slab = np.empty(len(FINE.nodes), int)
    for k, (first, last) in enumerate(zip(order.bounds[:-1], order.bounds[1:], strict=True)):
        slab[order.nodes[first:last]] = k
    assert 1 < order.n_even < slab.max()
    one, other = slab[FINE.tets[:, [0, 0, 0, 1, 1, 2]]].ravel(), slab[FINE.tets[:, [1, 2, 3, 2, 3, 3]]].ravel()
    same_half = (one < order.n_even) == (other < order.n_even)
    np.testing.assert_array_equal(one[same_half], other[same_half])


def test_a_graph_in_two_pieces_has_an_order():
    path = scipy.sparse.csr_array(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]))
    order = SlabOrder.of(path.indptr.astype(np.int32), path.indices.astype(np.int32))
    np.testing.assert_array_equal(np.sort(order.nodes), np.arange(4))


def test_sweeps_are_those_of_gauss_and_seidel(solver, system, dense):
    blocks, inverse = system
    matrix = (blocks, solver.pattern.indptr, solver.pattern.indices)
    order, rng = solver.order, np.random.default_rng(0)
    b, x, left = (rng.standard_normal((len(POINTS), 3)).astype(np.float32) for _ in range(3))
    halves = ((0, order.n_even), (order.n_even, len(order.bounds) - 1))
    for half in halves:
        sweep_forward(*matrix, inverse, b, x, order.bounds, *half)
    block_of = np.arange(len(dense)) // 3
    lower = np.where(block_of[:, None] >= block_of, dense, 0.0)
    expected = np.linalg.solve(lower, b.ravel())
    np.testing.assert_allclose(x.ravel(), expected, atol=1e-5 * np.abs(expected).max())
    residual_of_forward(*matrix, x, left)
    expected_left = b.ravel() - dense @ x.ravel()
    np.testing.assert_allclose(left.ravel(), expected_left, atol=1e-5 * np.abs(expected_left).max())
    for half in reversed(halves):
        sweep_backward(*matrix, inverse, b, x, order.bounds, *half)
    expected += np.linalg.solve(lower.T, expected_left)
    np.testing.assert_allclose(x.ravel(), expected, atol=1e-5 * np.abs(expected).max())


def test_the_coarse_matrix_is_the_galerkin_product(solver, system, dense):
    space: CoarseSpace = solver.space
    n, k = len(FINE.nodes), len(COARSE.nodes)
    p = np.zeros((n, k))
    np.add.at(p, (np.arange(n)[:, None], COARSE.tets[COARSE.host]), COARSE.fine_weights(FINE))
    p[FINE.fixed_nodes], p[:, COARSE.fixed] = 0.0, 0.0
    p = np.kron(p[solver.order.nodes], np.eye(3))
    expected = p.T @ dense @ p
    rows = np.flatnonzero(np.diag(expected) == 0.0)
    assert len(rows) == 3 * len(COARSE.fixed)
    expected[rows, rows] = 1.0
    got = scipy.sparse.bsr_array((space.galerkin_product(system[0]), space.coarse.indices, space.coarse.indptr))
    np.testing.assert_allclose(got.toarray(), expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(space.positions(FINE.nodes), COARSE.nodes, atol=1e-9)


def test_the_preconditioner_is_symmetric_and_its_eigenvalues_are_in_reach_of_the_bound(dense, preconditioner):
    inverse = columns(preconditioner, len(POINTS)).astype(float)
    assert np.abs(inverse - inverse.T).max() <= 1e-5 * np.abs(inverse).max()
    values = np.linalg.eigvals(inverse @ dense).real
    assert LEAST_EIGENVALUE < values.min() < 1.0
    assert values.max() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("tolerance", [0.1, 1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("from_zero", [True, False])
def test_the_bound_of_the_error_is_a_bound(solver, dense, preconditioner, tolerance, from_zero):
    right = np.where(solver.fixed[:, None], 0.0, FORCE[solver.order.nodes])
    exact = np.linalg.solve(dense, right.ravel())
    start = None if from_zero else (exact * np.linspace(0.5, 1.5, len(exact))).reshape(-1, 3)

    def multiply(x):
        return (dense @ x.ravel()).astype(np.float32).reshape(-1, 3)

    got = solve_to_energy_error(multiply, preconditioner, right, tolerance, start)
    error = got.displacement.ravel() - exact
    true = np.sqrt(error @ dense @ error / (exact @ right.ravel()))
    assert true <= got.energy_error <= tolerance
    assert got.energy_error <= 8.0 * true
    assert 1 <= got.cycles <= 20


def test_a_preconditioner_that_is_not_positive_is_refused(dense):
    right = np.ones((len(POINTS), 3))
    with pytest.raises(NotConverged):
        solve_to_energy_error(lambda x: x, lambda r: -r, right, 1e-4)
    values = np.linspace(1.0, 1e6, right.size, dtype=np.float32).reshape(-1, 3)
    with pytest.raises(NotConverged) as caught:
        solve_to_energy_error(lambda x: values * x, lambda r: r, right, 1e-6)
    assert f"within {MAX_CYCLES} cycles" in caught.value.expected


def test_no_force_is_no_displacement():
    right = np.zeros((5, 3))
    got = solve_to_energy_error(lambda x: x, lambda r: r, right, 1e-4)
    assert got.cycles == 0
    assert (got.displacement == 0.0).all()


def test_the_bound_finds_out_that_an_eigenvalue_is_smaller():
    """The least of three eigenvalues is below the number that is assumed, and the first step shows it."""
    values, r = np.array([0.6 * LEAST_EIGENVALUE, 0.5, 1.0]), np.array([20.0, 1.0, 1.0])
    p, left, steps, ratios = r.copy(), r / values, [], []
    for _ in range(2):
        steps.append((r @ r) / (p @ (values * p)))
        left -= steps[-1] * p
        new = r - steps[-1] * values * p
        ratios.append((new @ new) / (r @ r))
        p, r = new + ratios[-1] * p, new
        assert steps[0] > 1.0 / LEAST_EIGENVALUE  # impossible if no eigenvalue were smaller
        assert radau_factor(steps, ratios) * (r @ r) >= left @ (values * left)
    assert radau_factor([], []) == 1.0 / LEAST_EIGENVALUE


def test_the_solver_gives_the_exact_solution_within_its_tolerance(solver):
    exact = solve(POINTS, PLAN, FORCE)
    got = solver.solve(POINTS, FORCE, 1e-5)
    assert got.energy_error <= 1e-5
    scale = np.abs(exact.field.tensor).max()
    np.testing.assert_allclose(got.field.tensor, exact.field.tensor, atol=3e-5 * scale)
    np.testing.assert_allclose(got.reaction, exact.reaction, atol=1e-5 * REFERENCE_LOAD_NEWTON)
    assert (got.field.displacement[FINE.fixed_nodes] == 0.0).all()


def test_a_start_near_the_solution_spares_cycles(solver):
    exact = solve(POINTS, PLAN, FORCE).field.displacement
    assert solver.solve(POINTS, FORCE, 1e-3, start=exact).iterations < solver.solve(POINTS, FORCE, 1e-3).iterations


def test_a_distorted_mesh_is_refused(solver):
    with pytest.raises(DistortedMesh):
        solver.solve(POINTS * [1.0, 1.0, -1.0], FORCE, 1e-3)

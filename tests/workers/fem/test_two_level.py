"""The parts of the two-level solver against dense algebra on a small box, and the solver against the exact one."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from tests.workers.fem.coarse_boxes import COARSE, FINE, bent
from workers.fem.assembly import assemble_stiffness
from workers.fem.coarse_space import CoarseSpace
from workers.fem.edge_assembly import assemble_edges
from workers.fem.energy_cg import LEAST_EIGENVALUE, MAX_CYCLES, radau_factor, solve_to_energy_error
from workers.fem.errors import DistortedMesh, NotConverged
from workers.fem.gauss_seidel import sweep_backward, sweep_forward
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
    return assemble_edges(solver.order, solver.edges, elements, solver.fixed, Material())


@pytest.fixture(scope="module")
def dense(solver, system):
    """The matrix of the system."""
    return whole(system[0], solver.edges)


@pytest.fixture(scope="module")
def preconditioner(solver, system):
    return TwoLevel(solver.space, solver.order, *system, solver.space.positions(POINTS))


def whole(blocks, edges):
    """The symmetric matrix of a lower triangle."""
    lower = scipy.sparse.bsr_array((blocks, edges.indices, edges.indptr)).toarray().astype(float)
    block_of = np.arange(len(lower)) // 3
    return lower + np.where(block_of[:, None] > block_of, lower, 0.0).T


class Dense:
    """A dense matrix and a preconditioner, as conjugate gradients want them."""

    def __init__(self, matrix, precondition):
        self.matrix, self.precondition = matrix, precondition

    def residual(self, b, x):
        return b - (self.matrix @ x.ravel()).astype(np.float32).reshape(-1, 3)

    def correct(self, b):
        z = self.precondition(b)
        return z, z

    def product(self, b, z):
        return (self.matrix @ z.ravel()).astype(np.float32).reshape(-1, 3)


def columns(function, n):
    """The matrix of a linear function of (n, 3) float32."""
    return np.column_stack([function(unit.reshape(-1, 3)).ravel() for unit in np.eye(3 * n, dtype=np.float32)])


def test_assembly_edge_by_edge_gives_the_same_matrix(solver, system):
    rank = solver.order.rank
    plan = SolvePlan(rank[FINE.tets], len(FINE.nodes), rank[FINE.fixed_nodes])
    gradient, volume = shape_gradients(POINTS, FINE.tets)
    blocks = plan.impose_dirichlet(assemble_stiffness(plan.pattern, gradient, volume, Material()).data)
    blocks[plan.fixed_diagonal] = np.eye(3)
    expected = scipy.sparse.bsr_array((blocks, plan.pattern.indices, plan.pattern.indptr)).toarray()
    np.testing.assert_allclose(whole(system[0], solver.edges), expected, atol=1e-6 * np.abs(expected).max())
    last = solver.edges.indptr[1:] - 1
    np.testing.assert_array_equal(solver.edges.indices[last], np.arange(len(POINTS)))
    np.testing.assert_allclose(system[1] @ system[0][last], np.tile(np.eye(3), (len(POINTS), 1, 1)), atol=1e-5)


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
    neighbours = [set() for _ in POINTS]
    for a, b in zip(FINE.tets[:, [0, 0, 0, 1, 1, 2]].ravel(), FINE.tets[:, [1, 2, 3, 2, 3, 3]].ravel(), strict=True):
        neighbours[a].add(slab[b])
        neighbours[b].add(slab[a])
    assert max(len(touched - {own}) for touched, own in zip(neighbours, slab, strict=True)) == 1


def test_a_graph_in_two_pieces_has_an_order():
    path = scipy.sparse.csr_array(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]))
    order = SlabOrder.of(path.indptr.astype(np.int32), path.indices.astype(np.int32))
    np.testing.assert_array_equal(np.sort(order.nodes), np.arange(4))


def test_sweeps_are_those_of_gauss_and_seidel(solver, system, dense):
    blocks, inverse = system
    triangle = (blocks, solver.edges.indptr, solver.edges.indices)
    order, rng = solver.order, np.random.default_rng(0)
    b, x, left, change = (rng.standard_normal((len(POINTS), 3)).astype(np.float32) for _ in range(4))
    for half in order.halves:
        sweep_forward(*triangle, inverse, b, x, left, order.bounds, *half)
    block_of = np.arange(len(dense)) // 3
    lower = np.where(block_of[:, None] >= block_of, dense, 0.0)
    swept = np.linalg.solve(lower, b.ravel())
    np.testing.assert_allclose(x.ravel(), swept, atol=1e-5 * np.abs(swept).max())
    expected_left = b.ravel() - dense @ x.ravel()
    np.testing.assert_allclose(left.ravel(), expected_left, atol=1e-5 * np.abs(expected_left).max())
    change[solver.fixed] = 0.0
    expected = swept + change.ravel() + np.linalg.solve(lower.T, expected_left - dense @ change.ravel())
    for half in reversed(order.halves):
        sweep_backward(*triangle, inverse, left, x, change, order.bounds, *half)
    np.testing.assert_allclose(x.ravel(), expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(left.ravel(), expected - swept - change.ravel(), atol=1e-5 * np.abs(expected).max())


def test_products_of_the_triangle_are_those_of_the_matrix(dense, preconditioner):
    b, x = np.random.default_rng(0).standard_normal((2, len(POINTS), 3)).astype(np.float32)
    expected = b.ravel() - dense @ x.ravel()
    got = preconditioner.residual(b, x).ravel()
    np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())
    corrected, swept = preconditioner.correct(b)
    expected = dense @ corrected.ravel()
    np.testing.assert_allclose(preconditioner.product(b, swept).ravel(), expected, atol=1e-5 * np.abs(expected).max())


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
    inverse = columns(lambda b: preconditioner.correct(b)[0], len(POINTS)).astype(float)
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
    got = solve_to_energy_error(preconditioner, right, tolerance, start)
    error = got.displacement.ravel() - exact
    true = np.sqrt(error @ dense @ error / (exact @ right.ravel()))
    assert true <= got.energy_error <= tolerance
    assert got.energy_error <= 8.0 * true
    assert 1 <= got.cycles <= 20


def test_a_preconditioner_that_is_not_positive_is_refused(dense):
    right = np.ones((len(POINTS), 3))
    with pytest.raises(NotConverged):
        solve_to_energy_error(Dense(np.eye(right.size), lambda r: -r), right, 1e-4)
    values = np.diag(np.linspace(1.0, 1e6, right.size))
    with pytest.raises(NotConverged) as caught:
        solve_to_energy_error(Dense(values, lambda r: r), right, 1e-6)
    assert f"within {MAX_CYCLES} cycles" in caught.value.expected


def test_no_force_is_no_displacement():
    right = np.zeros((5, 3))
    got = solve_to_energy_error(Dense(np.eye(15), lambda r: r), right, 1e-4)
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

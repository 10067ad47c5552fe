"""One element and a patch of them: what linear tetrahedra must get exactly right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.workers.fem.meshes import hooke, irregular_cube, on_boundary, outer_triangles, six, structured_cube
from workers.fem.assembly import assemble_stiffness
from workers.fem.errors import DistortedMesh
from workers.fem.linear_tetrahedra import element_stress, shape_gradients
from workers.fem.material import Material
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan
from workers.fem.sparsity import SparsityPattern
from workers.fem.stress import principal_stresses, von_mises
from workers.fem.stress_recovery import average_at_nodes

BONE = Material()
GRADIENT = np.array([[2e-3, -7e-3, 1e-3], [5e-3, -3e-3, 4e-3], [-2e-3, 6e-3, 8e-3]])
"""A displacement gradient with all six strains and a rotation."""
SKEW = np.array([[0.0, -0.3, 0.2], [0.3, 0.0, -0.1], [-0.2, 0.1, 0.0]])


def strain_of(gradient):
    return 0.5 * (gradient + gradient.T)


@pytest.mark.parametrize(
    ("young", "poisson", "lam", "mu"),
    [(500.0, 0.3, 288.46153846153845, 192.30769230769232), (3.0, 0.0, 0.0, 1.5), (200.0, 0.25, 80.0, 80.0)],
)
def test_lame_constants(young, poisson, lam, mu):
    assert Material(young, poisson).lame == pytest.approx((lam, mu), rel=1e-14, abs=1e-14)


def test_the_default_is_the_papers_bone():
    assert (BONE.young_mpa, BONE.poisson) == (500.0, 0.3)


def test_shape_gradients_of_a_known_element():
    points = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 5.0]])
    gradient, volume = shape_gradients(points, np.array([[0, 1, 2, 3], [0, 2, 1, 3]], np.int32))
    np.testing.assert_allclose(gradient[0], [[-0.5, -0.25, -0.2], [0.5, 0, 0], [0, 0.25, 0], [0, 0, 0.2]], atol=1e-15)
    np.testing.assert_allclose(volume, [40 / 6, -40 / 6], rtol=1e-15)


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


def test_stiffness_is_symmetric_and_has_just_six_zero_energy_modes():
    points, tets = irregular_cube(4)
    pattern = SparsityPattern.of(tets, len(points))
    matrix = assemble_stiffness(pattern, *shape_gradients(points, tets), BONE).toarray()
    scale = np.abs(matrix).max()
    assert np.abs(matrix - matrix.T).max() <= 1e-14 * scale
    values = np.linalg.eigvalsh(matrix)
    assert np.abs(values[:6]).max() <= 1e-13 * values[-1]
    assert values[6] >= 1e-4 * values[-1]
    translations = np.tile(np.eye(3), (len(points), 1))
    rotations = np.concatenate([np.cross(axis, points)[:, :, None] for axis in np.eye(3)], axis=2).reshape(-1, 3)
    assert np.abs(matrix @ np.hstack([translations, rotations])).max() <= 1e-13 * scale


def test_stiffness_of_one_element_by_virtual_work():
    """u' K v is the volume integral of strain(u) : stress(v), here with nodal fields at random."""
    rng = np.random.default_rng(5)
    points = np.array([[0.0, 0.0, 0.0], [2.0, 0.1, 0.0], [0.3, 1.4, 0.2], [0.1, 0.2, 1.7]])
    tets = np.array([[0, 1, 2, 3]], np.int32)
    gradient, volume = shape_gradients(points, tets)
    matrix = assemble_stiffness(SparsityPattern.of(tets, 4), gradient, volume, BONE)
    for _ in range(5):
        u, v = rng.standard_normal((2, 4, 3))
        du, dv = (w.T @ gradient[0] for w in (u, v))
        work = volume[0] * np.sum(strain_of(du) * hooke(strain_of(dv), BONE))
        assert u.ravel() @ (matrix @ v.ravel()) == pytest.approx(work, rel=1e-12)


def test_rigid_motion_gives_no_stress():
    points, tets = irregular_cube(4)
    gradient, _ = shape_gradients(points, tets)
    stress = element_stress(points @ SKEW.T + [3.0, -1.0, 2.0], gradient, tets, BONE)
    assert np.abs(stress).max() <= 1e-12 * BONE.young_mpa


def test_element_stress_by_component():
    points, tets = irregular_cube(3)
    gradient, _ = shape_gradients(points, tets)
    expected = six(hooke(strain_of(GRADIENT), BONE))
    assert len({round(float(x), 9) for x in expected}) == 6  # no component can stand in for another
    stress = element_stress(points @ GRADIENT.T, gradient, tets, BONE)
    assert np.abs(stress - expected).max() <= 1e-12 * np.abs(expected).max()


def test_nodal_average_is_the_plain_weighted_mean():
    tets = np.array([[0, 1, 2, 3], [1, 3, 2, 4], [1, 2, 3, 5]], np.int32)
    values = np.array([[1.0, 10.0], [2.0, 40.0], [6.0, -20.0]])
    incidence = SparsityPattern.of(tets, 6).incidence
    plain = average_at_nodes(values, np.ones(3), incidence)
    np.testing.assert_allclose(plain, [[1, 10], [3, 10], [3, 10], [3, 10], [2, 40], [6, -20]], rtol=1e-15)
    weighted = average_at_nodes(values, np.array([1.0, 2.0, 1.0]), incidence)
    np.testing.assert_allclose(weighted[1], [11 / 4, 70 / 4], rtol=1e-15)


@pytest.mark.parametrize(
    ("tensor", "principal", "mises"),
    [
        ((0, 0, -4, 0, 0, 0), (0, 0, -4), 4),  # uniaxial compression
        ((0, 0, 0, 3, 0, 0), (3, 0, -3), 3 * np.sqrt(3)),  # pure shear, each plane
        ((0, 0, 0, 0, 3, 0), (3, 0, -3), 3 * np.sqrt(3)),
        ((0, 0, 0, 0, 0, 3), (3, 0, -3), 3 * np.sqrt(3)),
        ((-7, -7, -7, 0, 0, 0), (-7, -7, -7), 0),  # hydrostatic
        ((5, 1, 9, 0, 0, 0), (9, 5, 1), np.sqrt(48)),
        ((1, 1, 2, 1, 0, 0), (2, 2, 0), 2),
    ],
)
def test_stress_measures_in_closed_form(tensor, principal, mises):
    tensor = np.array([tensor], float)
    some_equal = len(set(principal)) == 2  # costs half the digits
    np.testing.assert_allclose(principal_stresses(tensor), [principal], atol=1e-7 if some_equal else 1e-13)
    np.testing.assert_allclose(von_mises(tensor), [mises], atol=1e-13)


def test_stress_measures_against_numpy_and_under_rotation():
    rng = np.random.default_rng(2)
    tensor = rng.standard_normal((500, 6)) * 10.0
    full = tensor[:, [0, 3, 5, 3, 1, 4, 5, 4, 2]].reshape(-1, 3, 3)
    values = np.linalg.eigvals(full).real
    np.testing.assert_allclose(principal_stresses(tensor), -np.sort(-values, axis=1), atol=1e-11)
    s1, s2, s3 = principal_stresses(tensor).T
    by_principal = np.sqrt(0.5 * ((s1 - s2) ** 2 + (s2 - s3) ** 2 + (s3 - s1) ** 2))
    np.testing.assert_allclose(von_mises(tensor), by_principal, rtol=1e-11)
    turn = Rotation.random(500, random_state=4).as_matrix()
    turned = six(turn @ full @ turn.transpose(0, 2, 1))
    np.testing.assert_allclose(von_mises(turned), von_mises(tensor), rtol=1e-11)
    np.testing.assert_allclose(principal_stresses(turned), principal_stresses(tensor), atol=1e-11)


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

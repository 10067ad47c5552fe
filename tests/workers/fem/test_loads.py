"""The load case, and how the solution depends on pose, load, stiffness and size."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from app.contract.params import JobParams
from tests.workers.fem.meshes import block_template, irregular_cube
from workers.fem.loads import REFERENCE_LOAD_NEWTON, cranio_caudal_axis, endplate_traction
from workers.fem.material import Material
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan

TURN = Rotation.from_rotvec([0.5, -0.9, 0.7]).as_matrix()
SHIFT = np.array([-120.0, 45.0, 730.0])
BOX = block_template()
PLAN = SolvePlan(BOX.tets, len(BOX.nodes), BOX.fixed_nodes)


def compress(points, newton=REFERENCE_LOAD_NEWTON, material=None):
    force = endplate_traction(points, BOX.superior, BOX.inferior, newton)
    return solve(points, PLAN, force, material)


@pytest.fixture(scope="module")
def points():
    """The box, tilted plates and bent sides, so that nothing is symmetric."""
    x, y, z = BOX.nodes.T
    return np.stack([x + 0.02 * z**2, y + 0.1 * z, z * (1.0 + 0.01 * x - 0.005 * y)], axis=1)


@pytest.fixture(scope="module")
def reference(points):
    return compress(points)


def test_a_job_is_loaded_like_the_reference_unless_it_says_otherwise():
    assert JobParams().load_newton == REFERENCE_LOAD_NEWTON  # a literal there: the contract knows no numerics


def test_axis_is_the_bisector_of_the_plates():
    """A wedge whose top is tilted by 24 degrees: the axis leans by 12."""
    points = BOX.nodes.copy()
    points[:, 2] *= 1.0 + np.tan(np.deg2rad(24.0)) * (points[:, 0] - 15.0) / 20.0
    axis = cranio_caudal_axis(points, BOX.superior, BOX.inferior)
    lean = np.deg2rad(12.0)
    np.testing.assert_allclose(axis, [-np.sin(lean), 0.0, np.cos(lean)], atol=1e-12)


def test_axis_does_not_feel_the_roughness_of_a_plate():
    points = BOX.nodes.copy()
    inner = (points[:, 2] == 20.0) & (np.abs(points[:, 0] - 15) < 14) & (np.abs(points[:, 1] - 12) < 11)
    assert inner.sum() == 25
    points[inner, 2] += np.random.default_rng(0).uniform(-1, 1, 25)
    np.testing.assert_allclose(cranio_caudal_axis(points, BOX.superior, BOX.inferior), [0, 0, 1], atol=1e-12)


def test_traction_on_unequal_triangles_in_closed_form():
    """Areas 1, 3 and 8 mm^2: a corner carries a third of each triangle that has it."""
    top = np.array([[0, 0, 5], [2, 0, 5], [0, 1, 5], [-6, 0, 5], [2, 8, 5]], float)
    bottom = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], float)
    superior = np.array([[0, 1, 2], [0, 2, 3], [1, 4, 0]], np.int32)
    inferior = np.array([[5, 7, 6]], np.int32)
    force = endplate_traction(np.concatenate([top, bottom]), superior, inferior, 360.0)
    expected = 360.0 / 12.0 / 3.0 * np.array([1 + 3 + 8, 1 + 8, 1 + 3, 3, 8, 0, 0, 0])
    np.testing.assert_allclose(force[:, 2], -expected, rtol=1e-14)
    assert np.abs(force[:, :2]).max() == 0.0


def test_traction_sums_to_the_load_along_the_axis(points):
    axis = cranio_caudal_axis(points, BOX.superior, BOX.inferior)
    assert axis[2] > 0.9
    assert np.linalg.norm(axis) == pytest.approx(1.0, rel=1e-14)
    force = endplate_traction(points, BOX.superior, BOX.inferior, 731.0)
    np.testing.assert_allclose(force.sum(axis=0), -731.0 * axis, rtol=1e-12, atol=1e-10)
    loaded = np.flatnonzero(np.abs(force).any(axis=1))
    np.testing.assert_array_equal(loaded, BOX.loaded_nodes)


def test_reaction_carries_the_load(points, reference):
    applied = endplate_traction(points, BOX.superior, BOX.inferior, REFERENCE_LOAD_NEWTON).sum(axis=0)
    np.testing.assert_allclose(reference.reaction, -applied, atol=1e-6 * REFERENCE_LOAD_NEWTON)
    assert (reference.field.displacement[BOX.fixed_nodes] == 0.0).all()


def test_the_field_turns_with_the_vertebra(points, reference):
    turned = compress(points @ TURN.T + SHIFT)
    scale = np.abs(reference.field.displacement).max()
    np.testing.assert_allclose(turned.field.displacement, reference.field.displacement @ TURN.T, atol=1e-6 * scale)
    peak = reference.field.von_mises.max()
    np.testing.assert_allclose(turned.field.von_mises, reference.field.von_mises, atol=1e-6 * peak)
    np.testing.assert_allclose(turned.field.principal, reference.field.principal, atol=1e-6 * peak)
    np.testing.assert_allclose(turned.reaction, TURN @ reference.reaction, atol=1e-6 * REFERENCE_LOAD_NEWTON)


def test_stress_is_linear_in_the_load(points, reference):
    peak = reference.field.von_mises.max()
    strong = compress(points, 1750.0).field
    np.testing.assert_allclose(strong.tensor, 3.5 * reference.field.tensor, atol=1e-6 * peak)
    np.testing.assert_allclose(strong.von_mises, 3.5 * reference.field.von_mises, atol=1e-6 * peak)


def test_stress_does_not_depend_on_e(points, reference):
    stiff = compress(points, material=Material(17_000.0, 0.3)).field
    peak, reach = reference.field.von_mises.max(), np.abs(reference.field.displacement).max()
    np.testing.assert_allclose(stiff.tensor, reference.field.tensor, atol=1e-6 * peak)
    np.testing.assert_allclose(stiff.displacement * 34.0, reference.field.displacement, atol=1e-6 * reach)
    other = compress(points, material=Material(500.0, 0.1)).field  # but it does on nu
    assert np.abs(other.von_mises - reference.field.von_mises).max() > 0.02 * peak


@pytest.mark.parametrize("scale", [0.8, 1.3])
def test_stress_falls_with_the_square_of_the_size(points, reference, scale):
    scaled = compress(scale * points).field
    peak, reach = reference.field.von_mises.max(), np.abs(reference.field.displacement).max()
    np.testing.assert_allclose(scaled.tensor * scale**2, reference.field.tensor, atol=1e-6 * peak)
    np.testing.assert_allclose(scaled.displacement * scale, reference.field.displacement, atol=1e-6 * reach)


def test_a_slender_bar_gives_force_over_area():
    """Saint-Venant: half-way up a bar of 2 x 2 x 12 mm the stress is F/A = 125 MPa, and the bar shortens by FL/EA."""
    points, tets = irregular_cube(8, 1)
    points = points * [2.0, 2.0, 12.0]
    force = np.zeros_like(points)
    top = np.flatnonzero(points[:, 2] == 12.0)
    force[top, 2] = -REFERENCE_LOAD_NEWTON / len(top)
    plan = SolvePlan(tets, len(points), np.flatnonzero(points[:, 2] == 0.0))
    field = solve(points, plan, force).field
    middle = np.abs(points[:, 2] - 6.0) < 1.5
    assert field.tensor[middle, 2].mean() == pytest.approx(-125.0, rel=0.02)
    assert field.von_mises[middle].mean() == pytest.approx(125.0, rel=0.02)
    assert field.displacement[top, 2].mean() == pytest.approx(-REFERENCE_LOAD_NEWTON * 12.0 / (500.0 * 4.0), rel=0.06)

"""Elements that have their own Young's moduli: patch test, bars in closed form, two-level solver, CalculiX."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench import calculix
from models.types import Floats, Ints
from tests.workers.fem.coarse_boxes import COARSE, FINE, bent
from tests.workers.fem.meshes import GRADIENT, hooke, irregular_cube, on_boundary, strain_of, structured_cube
from workers.fem.linear_tetrahedra import element_stress, shape_gradients
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.material import Material
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan
from workers.fem.stress import von_mises
from workers.fem.template_solver import TemplateSolver

POINTS = bent(FINE.nodes)
PLAN = SolvePlan(FINE.tets, len(FINE.nodes), FINE.fixed_nodes)
FORCE = endplate_traction(POINTS, FINE.superior, FINE.inferior, REFERENCE_LOAD_NEWTON)


def shelled() -> Material:
    """Soft inside and stiff at the sides of the box, as bone is, with a wave on it: 40 to 5,000 MPa, 60 moduli."""
    x, y, z = FINE.nodes[FINE.tets].mean(axis=1).T
    side = np.minimum(np.minimum(x, 30.0 - x), np.minimum(y, 24.0 - y))
    exponent = np.log(100.0) + np.where(side < 2.5, 3.0, 0.0) + 0.9 * np.sin(0.7 * x + 0.3 * y - 0.5 * z)
    return Material.of_elements(np.exp(np.round(exponent, 1)))


def test_patch_with_graded_moduli():
    """Any moduli carry a uniform strain when the nodes get the forces that the elements' stresses leave."""
    points, tets = irregular_cube(5)
    young = np.exp(np.random.default_rng(0).uniform(np.log(10.0), np.log(5000.0), len(tets)))
    gradient, volume = shape_gradients(points, tets)
    stress = young[:, None, None] * hooke(strain_of(GRADIENT), Material(1.0))
    force = np.zeros_like(points)
    np.add.at(force, tets, volume[:, None, None] * np.einsum("tij,taj->tai", stress, gradient))
    exact = points @ GRADIENT.T + [0.1, -0.2, 0.05]
    boundary = on_boundary(points)
    material = Material.of_elements(young)
    got = solve(points, SolvePlan(tets, len(points), boundary), force, material, exact).field.displacement
    assert np.abs(got - exact).max() <= 1e-9 * np.abs(exact).max()
    at_elements = element_stress(got, gradient, tets, material)
    np.testing.assert_allclose(at_elements[:, 2], stress[:, 2, 2], rtol=1e-7)
    np.testing.assert_allclose(at_elements[:, 3], stress[:, 0, 1], rtol=1e-7)


def thirds(axis: int, young: Floats) -> tuple[Floats, Ints, Material]:
    """A unit cube that has three moduli, MPa, along an axis, and does not strain sideways."""
    points, tets = structured_cube(6)
    third = (3.0 * points[tets].mean(axis=1)[:, axis]).astype(int)
    return points, tets, replace(Material.of_elements(young[third]), poisson=0.0)


def test_layers_under_each_other():
    """Springs in a row: under one stress each third of the height stretches by its own modulus."""
    young, stress = np.array([40.0, 900.0, 3000.0]), 2.0
    points, tets, material = thirds(2, young)
    gradient, volume = shape_gradients(points, tets)
    force = np.zeros_like(points)
    np.add.at(force[:, 2], tets, volume[:, None] * stress * gradient[:, :, 2])
    force[points[:, 2] < 1.0] = 0.0
    got = solve(points, SolvePlan(tets, len(points), np.flatnonzero(points[:, 2] == 0.0)), force, material)
    below = np.clip(points[:, 2:] - np.arange(3) / 3.0, 0.0, 1.0 / 3.0)
    exact = np.zeros_like(points)
    exact[:, 2] = stress * (below / young).sum(axis=1)
    np.testing.assert_allclose(got.field.displacement, exact, atol=1e-8 * exact.max())
    np.testing.assert_allclose(got.field.tensor[:, 2], stress, rtol=1e-6)
    np.testing.assert_allclose(got.reaction, [0.0, 0.0, -stress], atol=1e-7)


def test_layers_beside_each_other():
    """Springs beside each other: under one strain each third carries stress by its own modulus."""
    young, strain = np.array([40.0, 900.0, 3000.0]), 0.01
    points, tets, material = thirds(0, young)
    ends = np.flatnonzero((points[:, 2] == 0.0) | (points[:, 2] == 1.0))
    exact = strain * points * [0.0, 0.0, 1.0]
    got = solve(points, SolvePlan(tets, len(points), ends), np.zeros_like(points), material, exact).field
    np.testing.assert_allclose(got.displacement, exact, atol=1e-8 * strain)
    for third in range(3):
        within = np.abs(points[:, 0] - (third + 0.5) / 3.0) < 0.1
        np.testing.assert_allclose(got.tensor[within, 2], young[third] * strain, rtol=1e-6)


def test_one_modulus_changes_the_displacement_alone():
    plain = solve(POINTS, PLAN, FORCE).field
    stiff = solve(POINTS, PLAN, FORCE, Material.of_elements(np.full(len(FINE.tets), 2000.0))).field
    np.testing.assert_allclose(stiff.tensor, plain.tensor, atol=1e-6 * np.abs(plain.tensor).max())
    np.testing.assert_allclose(4.0 * stiff.displacement, plain.displacement, atol=1e-6 * plain.displacement.max())


def test_the_two_level_solver_has_the_solution_of_the_exact_one():
    solver, material = TemplateSolver(FINE, COARSE, PLAN.pattern), shelled()
    exact = solve(POINTS, PLAN, FORCE, material)
    got = solver.solve(POINTS, FORCE, 5e-5, material=material)
    np.testing.assert_allclose(got.field.tensor, exact.field.tensor, atol=3e-4 * np.abs(exact.field.tensor).max())
    np.testing.assert_allclose(got.reaction, exact.reaction, atol=1e-3 * REFERENCE_LOAD_NEWTON)


def test_a_modulus_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="> 0 MPa, got 0"):
        Material.of_elements(np.array([10.0, 0.0]))


@pytest.mark.skipif(calculix.executable() is None, reason="CalculiX (ccx) is not installed")
def test_calculix_has_the_same_stress_with_the_same_moduli():
    material = shelled()
    ours = solve(POINTS, PLAN, FORCE, material).field
    peer = calculix.solve_with_calculix(POINTS, FINE.tets, FINE.fixed_nodes, FORCE, material, threads=1)
    for got, expected in ((ours.displacement, peer.displacement), (ours.von_mises, von_mises(peer.tensor))):
        assert np.linalg.norm(got - expected) <= 1e-3 * np.linalg.norm(expected)  # measured: 1e-4, ccx's tolerance

"""Bone that gives way between plates: bars in closed form, the linear limit, and the way there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.workers.fem.coarse_boxes import COARSE, FINE, bent
from workers.fem.crushing import CurvePoint, Yielding, crush, left_of
from workers.fem.driven import DrivenSolver
from workers.fem.material import Material
from workers.fem.plates import plan_plates, solve_between_plates
from workers.fem.sparsity import SparsityPattern

UP = np.array([0.0, 0.0, 1.0])
WIDTH, DEPTH, HEIGHT = np.ptp(FINE.nodes, axis=0)
AREA = WIDTH * DEPTH
SOLVER = DrivenSolver(FINE, COARSE, SparsityPattern.of(FINE.tets, len(FINE.nodes)))
MIDDLES = FINE.nodes[FINE.tets].mean(axis=1)


def bone(young, yield_strain, poisson: float = 0.0) -> Yielding:
    every = np.ones(len(FINE.tets))
    return Yielding(replace(Material.of_elements(young * every), poisson=poisson), yield_strain * every)


def curve(material: Yielding, strains: list[float], points=FINE.nodes) -> list[CurvePoint]:
    return crush(points, SOLVER, material, UP, [strain * HEIGHT for strain in strains])


def test_a_bar_yields_at_its_yield_strain_and_bears_its_yield_stress():
    before, at_twice, far = curve(bone(200.0, 0.01), [0.005, 0.02, 0.08])
    assert before.force_newton == pytest.approx(200.0 * 0.005 * AREA, rel=1e-4)
    assert not before.yielded.any()
    assert [at_twice.force_newton, far.force_newton] == pytest.approx([200.0 * 0.01 * AREA] * 2, rel=1e-3)
    assert far.yielded.all()


def test_of_layers_in_a_row_the_weakest_gives_way_and_of_columns_each_when_it_must():
    """In a row one force; beside each other one strain. No lateral strain, so both are exact."""
    upper = MIDDLES[:, 2] > HEIGHT / 2
    weak = bone(np.where(upper, 400.0, 100.0), np.where(upper, 0.02, 0.01))
    [elastic, beyond] = curve(weak, [0.004, 0.03])
    together = 1.0 / (0.5 / 400.0 + 0.5 / 100.0)
    assert elastic.force_newton == pytest.approx(together * 0.004 * AREA, rel=1e-3)
    assert beyond.force_newton == pytest.approx(100.0 * 0.01 * AREA, rel=5e-3)
    np.testing.assert_array_equal(beyond.yielded, ~upper)
    left = MIDDLES[:, 0] < WIDTH / 2
    [both] = curve(bone(np.where(left, 400.0, 100.0), np.where(left, 0.005, 0.05)), [0.02])
    assert both.force_newton == pytest.approx((400.0 * 0.005 + 100.0 * 0.02) * AREA / 2, rel=5e-3)
    np.testing.assert_array_equal(both.yielded, left)


def test_a_small_push_is_that_of_the_linear_solver():
    points = bent(FINE.nodes)
    material = bone(np.random.default_rng(0).uniform(50.0, 500.0, len(FINE.tets)), 1.0, poisson=0.3)
    case = solve_between_plates(points, FINE, plan_plates(FINE), 100.0, material.elastic)
    axis = -case.solution.field.displacement[FINE.loaded_nodes[0]] / case.travel_mm
    [point] = crush(points, SOLVER, material, axis, [case.travel_mm])
    assert point.force_newton == pytest.approx(100.0, rel=2e-3)


@pytest.fixture(scope="module")
def rough() -> Yielding:
    random = np.random.default_rng(1)
    return bone(random.uniform(50.0, 500.0, len(FINE.tets)), random.uniform(0.005, 0.01, len(FINE.tets)), poisson=0.3)


def test_the_curve_rises_and_bends_and_does_not_depend_on_the_steps(rough):
    points = bent(FINE.nodes)
    many = curve(rough, [0.002, 0.004, 0.006, 0.008, 0.012, 0.016, 0.024], points)
    force = np.array([0.0, *(point.force_newton for point in many)])
    slope = np.diff(force) / np.diff([0.0, *(point.travel_mm for point in many)])
    assert (slope > 0.0).all()
    assert (np.diff(slope) < 0.002 * slope[0]).all()
    [straight] = curve(rough, [0.024], points)
    assert straight.force_newton == pytest.approx(many[-1].force_newton, rel=1e-2)


def test_the_force_falls_from_step_to_step_to_where_it_is_extrapolated(rough):
    [point] = curve(rough, [0.012], bent(FINE.nodes))
    assert (np.diff(point.forces) < 0.0).all()
    assert point.force_newton < point.forces[-1]


def test_forces_that_fall_evenly():
    exact, falling = 100.0, [100.0 + 32.0 * 0.5**step for step in range(6)]
    assert falling[-1] * (1.0 - left_of(falling)) == pytest.approx(exact)
    assert left_of(falling[:2]) == 1.0
    assert left_of([100.0, 100.0]) == 0.0


def test_the_stress_is_the_derivative_of_an_energy(rough):
    """Stress times strain is the slope of the energy along the strain: of E e^2 / 2, then of E y (e - y / 2)."""
    every, volume = np.ones(len(FINE.tets)), np.ones(len(FINE.tets), np.float32)
    young, limit = rough.elastic.young_mpa * rough.grade, rough.yield_strain

    def energy(strain):
        return (young * np.where(strain < limit, strain**2 / 2, limit * (strain - limit / 2))).sum()

    for strain in (0.003, 0.0075, 0.03):
        slope = (energy(strain * 1.001 * every) - energy(strain * 0.999 * every)) / 0.002
        assert rough.work(strain * every, volume) == pytest.approx(slope, rel=1e-3)

"""Stiffness and strength of a column in closed form, and convergence with the mesh."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workers.fem.meshes import block_template
from workers.bone.calibration import Calibration
from workers.bone.elements import ElementBone
from workers.bone.laws import young_modulus
from workers.bone.strength import effective_strain, measure_strength
from workers.fem.loads import endplate_traction
from workers.fem.material import Material
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan

SIZE = (30.0, 24.0, 20.0)
DENSITY = 100.0
LOAD = 500.0


def bone_of(density) -> ElementBone:
    young = young_modulus("kopperdahl_2002", density)
    return ElementBone(density, Material.of_elements(young), "kopperdahl_2002", Calibration(1.0, 0.0))


def test_a_column_under_an_even_stress():
    column = block_template(4, SIZE)
    bone = bone_of(np.full(len(column.tets), DENSITY))
    young = float(bone.young_mpa[0])
    stress = LOAD / (SIZE[0] * SIZE[1])
    strain = stress / young
    moved = strain * column.nodes * [0.3, 0.3, -1.0]
    got = measure_strength(column.nodes, moved, column, bone, LOAD)
    assert got.stiffness_n_per_mm == pytest.approx(young * SIZE[0] * SIZE[1] / SIZE[2])
    assert got.height_mm == pytest.approx(SIZE[2])
    assert got.linear_n == pytest.approx(0.0068 * young * SIZE[0] * SIZE[1])
    assert got.pistoia_n == pytest.approx(0.007 * young * SIZE[0] * SIZE[1])
    np.testing.assert_allclose(got.yield_ratio, stress / (37.4 * 0.1**1.39))
    assert got.beyond_yield == 0.0
    assert measure_strength(column.nodes, 10.0 * moved, column, bone, 10.0 * LOAD).beyond_yield == 1.0


def test_effective_strain_of_one_stress_is_its_strain():
    stress = np.zeros((2, 6))
    stress[0, 2], stress[1, 3] = -2.0, 1.0
    got = effective_strain(stress, np.array([400.0, 400.0]), 0.3)
    np.testing.assert_allclose(got, [0.005, np.sqrt(2.0 * 1.3) / 400.0])


def test_the_stiffness_converges_with_the_mesh():
    """A core in a shell: each refinement changes the stiffness less, and the last by 2 %."""
    stiffness = []
    for cells in (4, 8, 16):
        column = block_template(cells, SIZE)
        x, y, z = column.nodes[column.tets].mean(axis=1).T
        density = 80.0 + 300.0 * np.exp(-np.minimum(np.minimum(x, 30.0 - x), np.minimum(y, 24.0 - y)) / 2.0) + z
        bone = bone_of(density)
        force = endplate_traction(column.nodes, column.superior, column.inferior, LOAD)
        plan = SolvePlan(column.tets, len(column.nodes), column.fixed_nodes)
        moved = solve(column.nodes, plan, force, bone.material).field.displacement
        stiffness.append(measure_strength(column.nodes, moved, column, bone, LOAD).stiffness_n_per_mm)
    steps = np.abs(np.diff(stiffness)) / stiffness[-1]
    assert steps[1] < 0.5 * steps[0]
    assert steps[1] < 0.02

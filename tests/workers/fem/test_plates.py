"""Compression between rigid plates: a column in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.workers.fem.meshes import block_template
from workers.fem.loads import endplate_traction
from workers.fem.material import Material
from workers.fem.plates import plan_plates, solve_between_plates
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan

SIZE = (30.0, 24.0, 20.0)
COLUMN = block_template(6, SIZE)
LOAD = 800.0


def test_a_layered_column_without_lateral_strain():
    """Springs in a row: the stiffness is that of three layers under one stress."""
    young = np.array([60.0, 500.0, 2400.0])
    layer = (3.0 * COLUMN.nodes[COLUMN.tets].mean(axis=1)[:, 2] / SIZE[2]).astype(int)
    material = replace(Material.of_elements(young[layer]), poisson=0.0)
    solution, force = solve_between_plates(COLUMN.nodes, COLUMN, plan_plates(COLUMN), LOAD, material)
    stress = LOAD / (SIZE[0] * SIZE[1])
    np.testing.assert_allclose(force, [0.0, 0.0, -LOAD], atol=1e-6 * LOAD)
    np.testing.assert_allclose(solution.reaction, [0.0, 0.0, LOAD], atol=1e-6 * LOAD)
    np.testing.assert_allclose(solution.field.tensor[:, 2], -stress, rtol=1e-6)
    shortening = stress * SIZE[2] / 3.0 * (1.0 / young).sum()
    np.testing.assert_allclose(solution.field.displacement[COLUMN.loaded_nodes, 2], -shortening, rtol=1e-6)


def test_plates_are_stiffer_than_an_even_traction_and_move_the_endplate_as_one():
    plates, _ = solve_between_plates(COLUMN.nodes, COLUMN, plan_plates(COLUMN), LOAD)
    moved = plates.field.displacement[COLUMN.loaded_nodes]
    assert np.ptp(moved, axis=0).max() == pytest.approx(0.0, abs=1e-12)
    force = endplate_traction(COLUMN.nodes, COLUMN.superior, COLUMN.inferior, LOAD)
    plan = SolvePlan(COLUMN.tets, len(COLUMN.nodes), COLUMN.fixed_nodes)
    traction = solve(COLUMN.nodes, plan, force).field.displacement[COLUMN.loaded_nodes]
    assert -moved[:, 2].mean() < 0.98 * -traction[:, 2].mean()

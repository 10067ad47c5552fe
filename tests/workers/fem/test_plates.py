"""Compression between rigid plates and cement caps: a column in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.workers.fem.meshes import block_template
from workers.fem.caps import BEYOND_MM, CEMENT_MPA, CappedMesh
from workers.fem.loads import endplate_traction
from workers.fem.material import Material
from workers.fem.plates import plan_plates, solve_between_caps, solve_between_plates
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan
from workers.geometry.tetrahedra import tet_volumes

SIZE = (30.0, 24.0, 20.0)
COLUMN = block_template(6, SIZE)
LOAD = 800.0


def test_a_layered_column_without_lateral_strain():
    """Springs in a row: the stiffness is that of three layers under one stress."""
    young = np.array([60.0, 500.0, 2400.0])
    layer = (3.0 * COLUMN.nodes[COLUMN.tets].mean(axis=1)[:, 2] / SIZE[2]).astype(int)
    material = replace(Material.of_elements(young[layer]), poisson=0.0)
    case = solve_between_plates(COLUMN.nodes, COLUMN, plan_plates(COLUMN), LOAD, material)
    solution = case.solution
    stress = LOAD / (SIZE[0] * SIZE[1])
    np.testing.assert_allclose(case.applied, [0.0, 0.0, -LOAD], atol=1e-6 * LOAD)
    np.testing.assert_allclose(solution.reaction, [0.0, 0.0, LOAD], atol=1e-6 * LOAD)
    np.testing.assert_allclose(solution.field.tensor[:, 2], -stress, rtol=1e-6)
    shortening = stress * SIZE[2] / 3.0 * (1.0 / young).sum()
    np.testing.assert_allclose(solution.field.displacement[COLUMN.loaded_nodes, 2], -shortening, rtol=1e-6)


def test_plates_are_stiffer_than_an_even_traction_and_move_the_endplate_as_one():
    plates = solve_between_plates(COLUMN.nodes, COLUMN, plan_plates(COLUMN), LOAD).solution
    moved = plates.field.displacement[COLUMN.loaded_nodes]
    assert np.ptp(moved, axis=0).max() == pytest.approx(0.0, abs=1e-12)
    force = endplate_traction(COLUMN.nodes, COLUMN.superior, COLUMN.inferior, LOAD)
    plan = SolvePlan(COLUMN.tets, len(COLUMN.nodes), COLUMN.fixed_nodes)
    traction = solve(COLUMN.nodes, plan, force).field.displacement[COLUMN.loaded_nodes]
    assert -moved[:, 2].mean() < 0.98 * -traction[:, 2].mean()


def test_caps_are_springs_in_a_row_with_the_bone():
    """Without lateral strain: the bone and twice the cap's thickness of cement under one stress."""
    young = np.full(len(COLUMN.tets), 200.0)
    material = replace(Material.of_elements(young), poisson=0.0)
    case = solve_between_caps(COLUMN.nodes, COLUMN, CappedMesh.of(COLUMN), LOAD, material)
    stress = LOAD / (SIZE[0] * SIZE[1])
    np.testing.assert_allclose(case.applied, [0.0, 0.0, -LOAD], atol=1e-6 * LOAD)
    np.testing.assert_allclose(case.solution.reaction, [0.0, 0.0, LOAD], atol=1e-6 * LOAD)
    np.testing.assert_allclose(case.solution.field.tensor[:, 2], -stress, rtol=1e-6)
    assert case.travel_mm == pytest.approx(stress * (SIZE[2] / 200.0 + 2 * BEYOND_MM / CEMENT_MPA), rel=1e-6)
    assert len(case.solution.field.displacement) == len(COLUMN.nodes)


def test_caps_fill_the_space_from_uneven_endplates_to_flat_faces():
    x, y, z = COLUMN.nodes.T
    bumps = np.sin(np.pi * x / SIZE[0]) * np.sin(2.0 * np.pi * y / SIZE[1])  # zero at the rim
    points = np.stack([x, y, z + np.where((z == 0.0) | (z == SIZE[2]), bumps, 0.0)], axis=1)
    capped = CappedMesh.of(COLUMN)
    whole = capped.points(points, COLUMN)
    volumes = tet_volumes(whole, capped.tets)
    assert volumes.min() > 0.0
    heights = whole[capped.upper, 2], whole[capped.lower, 2]
    assert [np.ptp(height) for height in heights] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert heights[0][0] == pytest.approx(points[:, 2].max() + BEYOND_MM)
    between = SIZE[0] * SIZE[1] * (heights[0][0] - heights[1][0])
    assert volumes.sum() == pytest.approx(between, rel=1e-9)

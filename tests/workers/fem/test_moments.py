"""Moments on the endplate: the load itself, a bent column in closed form, and superposition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from app.contract.params import JobParams
from tests.workers.fem.meshes import block_template
from workers.engine import Engine
from workers.fem.loads import cranio_caudal_axis, endplate_traction
from workers.fem.material import Material
from workers.fem.moments import anterior_and_right, endplate_moments
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan
from workers.geometry.surface import Surface

SIZE = (30.0, 24.0, 30.0)
COLUMN = block_template(6, SIZE)
TURN = Rotation.from_rotvec([0.5, -0.9, 0.7]).as_matrix()
FLEXION, LATERAL = 3000.0, -1200.0


def rough() -> np.ndarray:
    """The column with an uneven top, turned and moved."""
    x, y, z = COLUMN.nodes.T
    bumps = np.where(z == SIZE[2], 2.0 * np.sin(0.4 * x) * np.cos(0.5 * y), 0.0)
    return np.stack([x, y, z + bumps], axis=1) @ TURN.T + [-120.0, 45.0, 730.0]


def test_force_and_moment_of_the_nodal_forces_are_exact_on_a_rough_endplate():
    points = rough()
    force = endplate_moments(points, COLUMN, FLEXION, LATERAL)
    anterior, right = anterior_and_right(points, COLUMN)
    assert anterior @ (TURN @ [0.0, 1.0, 0.0]) > 0.98
    assert right @ (TURN @ [1.0, 0.0, 0.0]) > 0.98
    moment = np.cross(points - Surface(points, COLUMN.superior).centroid, force).sum(axis=0)
    np.testing.assert_allclose(force.sum(axis=0), 0.0, atol=1e-9)
    # pressing forward turns about -right, pressing to the right turns about +anterior
    np.testing.assert_allclose(moment @ np.stack([right, anterior]).T, [-FLEXION, LATERAL], rtol=1e-12)
    axis = cranio_caudal_axis(points, COLUMN.superior, COLUMN.inferior)
    assert moment @ axis == pytest.approx(0.0, abs=1e-9)
    anterior_side = (points - Surface(points, COLUMN.superior).centroid) @ anterior > 5.0
    flexed = endplate_moments(points, COLUMN, FLEXION, 0.0)
    assert (flexed[anterior_side] @ axis).sum() < 0.0


def bent(cells: int) -> tuple[float, float]:
    """Turn of the top, rad, over that of a beam, and the stress at half the height over the beam's, at the front."""
    column, material = block_template(cells, SIZE), Material(poisson=0.0)
    force = endplate_moments(column.nodes, column, FLEXION, 0.0)
    plan = SolvePlan(column.tets, len(column.nodes), column.fixed_nodes)
    field = solve(column.nodes, plan, force, material).field
    inertia = SIZE[0] * SIZE[1] ** 3 / 12.0
    turn = float(np.vdot(force, field.displacement)) / FLEXION
    at = np.isclose(column.nodes[:, 1], SIZE[1]) & np.isclose(column.nodes[:, 2], SIZE[2] / 2)
    stress = field.tensor[at, 2].mean()
    return turn / (FLEXION * SIZE[2] / (material.young_mpa * inertia)), stress / (-FLEXION * SIZE[1] / 2 / inertia)


def test_a_column_bends_as_a_beam():
    """Linear tetrahedra are too stiff in bending, by the square of their size."""
    (coarse, _), (fine, stress) = bent(6), bent(12)
    assert coarse < fine < 1.0
    assert (4.0 * fine - coarse) / 3.0 == pytest.approx(1.0, abs=0.015)
    assert stress == pytest.approx(1.0, abs=0.15)


def test_the_job_superposes_what_a_direct_solve_gives():
    class OfColumn(Engine):
        template = COLUMN
        solver = None

    params = JobParams.model_validate({"load_newton": 800.0, "moments": {"flexion": FLEXION, "lateral": LATERAL}})
    case = OfColumn().solve_case(COLUMN.nodes, params, None)
    compression = endplate_traction(COLUMN.nodes, COLUMN.superior, COLUMN.inferior, 800.0)
    plan = SolvePlan(COLUMN.tets, len(COLUMN.nodes), COLUMN.fixed_nodes)
    direct = solve(COLUMN.nodes, plan, compression + endplate_moments(COLUMN.nodes, COLUMN, FLEXION, LATERAL))
    scale = direct.field.von_mises.max()
    np.testing.assert_allclose(case.solution.field.von_mises, direct.field.von_mises, atol=1e-6 * scale)
    np.testing.assert_allclose(case.solution.reaction, [0.0, 0.0, 800.0], atol=1e-4)
    alone = solve(COLUMN.nodes, plan, compression)
    np.testing.assert_allclose(case.compression.von_mises, alone.field.von_mises, atol=1e-6 * scale)

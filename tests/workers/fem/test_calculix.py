"""The independent peer: CalculiX on the very same mesh, boundary conditions and nodal forces.

It runs on the coarse mesh of the template here. What it computes on the template's own mesh is kept in a file.
"""

from __future__ import annotations

import numpy as np
import pytest

from bench import calculix
from tests.workers.fem import calculix_template
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan
from workers.fem.stress import von_mises


def relative_l2(got, expected):
    return np.linalg.norm(got - expected) / np.linalg.norm(expected)


def check_tensor(ours, theirs):
    """All six components, so an order mixed up between shears would show."""
    for column in range(6):
        assert relative_l2(ours[:, column], theirs[:, column]) <= 0.01


# --- the template


@pytest.fixture(scope="module")
def kept(engine):
    solution = calculix_template.read()
    again = "the template is another one: run python -m tests.workers.fem.calculix_template"
    assert solution.template == calculix_template.digest(engine.template), again
    return solution


def test_von_mises(template_solve, kept):
    field = template_solve.solution.field
    assert relative_l2(field.von_mises[kept.nodes], von_mises(kept.tensor)) <= 0.005
    assert field.von_mises.max() == pytest.approx(kept.largest_mpa, rel=0.01)
    assert field.von_mises.argmax() == kept.largest_node


def test_tensor_and_displacement(template_solve, kept):
    field = template_solve.solution.field
    check_tensor(field.tensor[kept.nodes], kept.tensor)
    assert relative_l2(field.displacement[kept.nodes], kept.displacement) <= 0.005


# --- the coarse mesh


@pytest.fixture(scope="module")
def coarse(engine, template_solve):
    """Nodes, tetrahedra, clamped nodes and nodal forces of the coarse mesh: the template's forces, carried over."""
    mesh = engine.bundle.tangent.coarse
    force = np.zeros_like(mesh.nodes)
    shares = mesh.fine_weights(engine.template)[:, :, None] * template_solve.force[:, None, :]
    np.add.at(force, mesh.tets[mesh.host], shares)
    return mesh.nodes, mesh.tets, mesh.fixed, force


@pytest.fixture(scope="module")
def peer(coarse):
    if calculix.executable() is None:
        pytest.skip("CalculiX (ccx) is not installed: apt-get install calculix-ccx")
    return calculix.solve_with_calculix(*coarse, threads=1)


def test_a_run_on_the_coarse_mesh(coarse, peer):
    nodes, tets, fixed, force = coarse
    ours = solve(nodes, SolvePlan(tets, len(nodes), fixed), force).field
    assert relative_l2(ours.von_mises, von_mises(peer.tensor)) <= 0.005
    assert ours.von_mises.argmax() == von_mises(peer.tensor).argmax()
    check_tensor(ours.tensor, peer.tensor)
    assert relative_l2(ours.displacement, peer.displacement) <= 0.005


def test_the_run_is_measured(peer):
    """`make bench` prints these two beside ours."""
    assert peer.seconds > 0.1
    assert peer.peak_mb > 10.0

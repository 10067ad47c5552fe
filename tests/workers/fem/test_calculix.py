"""The independent peer: CalculiX on the very same mesh, boundary conditions and nodal forces."""

from __future__ import annotations

import numpy as np
import pytest

from bench import calculix
from workers.fem.stress import von_mises

pytestmark = pytest.mark.skipif(
    calculix.executable() is None, reason="CalculiX (ccx) is not installed: apt-get install calculix-ccx"
)


@pytest.fixture(scope="module")
def peer(engine, template_solve):
    template = engine.template
    force = template_solve.force
    return calculix.solve_with_calculix(template.nodes, template.tets, template.fixed_nodes, force, threads=1)


def relative_l2(got, expected):
    return np.linalg.norm(got - expected) / np.linalg.norm(expected)


def test_von_mises(template_solve, peer):
    ours, theirs = template_solve.solution.field.von_mises, von_mises(peer.tensor)
    assert relative_l2(ours, theirs) <= 0.005
    assert ours.max() == pytest.approx(theirs.max(), rel=0.01)
    assert ours.argmax() == theirs.argmax()


def test_tensor(template_solve, peer):
    """All six components, so an order mixed up between shears would show."""
    ours = template_solve.solution.field.tensor
    for column in range(6):
        assert relative_l2(ours[:, column], peer.tensor[:, column]) <= 0.01


def test_displacement(template_solve, peer):
    assert relative_l2(template_solve.solution.field.displacement, peer.displacement) <= 0.005


def test_the_run_is_measured(peer):
    """`make bench` prints these two beside ours."""
    assert peer.seconds > 1.0
    assert peer.peak_mb > 100.0

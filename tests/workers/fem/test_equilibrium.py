"""The equilibrium residual of a nodal stress field."""

from __future__ import annotations

import numpy as np
import pytest

from workers.fem.equilibrium import equilibrium_residual
from workers.fem.loads import REFERENCE_LOAD_NEWTON


def test_a_wrong_field_is_out_of_balance(engine):
    """The residual of the solution itself is what averaging leaves; a wrong field on the same shape has more."""
    template = engine.template
    x, y, z = template.nodes.T
    bent = np.stack([x + 0.004 * z**2, y + 0.1 * z, z * (1.0 + 0.006 * y)], axis=1)
    right, force = engine.solve(bent, REFERENCE_LOAD_NEWTON)
    wrong, _ = engine.solve(template.nodes, REFERENCE_LOAD_NEWTON)
    balance = [
        equilibrium_residual(bent, s.field.tensor, force, engine.plan.pattern, engine.plan.fixed)
        for s in (right, wrong)
    ]
    assert 0.1 < balance[0] < 0.4
    assert balance[1] > 1.3 * balance[0]
    twice = equilibrium_residual(bent, 2 * right.field.tensor, 2 * force, engine.plan.pattern, engine.plan.fixed)
    assert twice == pytest.approx(balance[0])

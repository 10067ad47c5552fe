"""How a prediction compares with a solution, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from workers.fem.field import StressField
from workers.results.agreement import agreement, solution_arrays


def test_agreement_by_hand():
    points = np.array([[0.0, 0, 0], [3, 4, 0], [0, 0, 1]])

    def field(values):
        return StressField(None, np.zeros((3, 3)), np.array(values), None)

    found = agreement(points, field([2.2, 1.0, 1.0]), field([1.0, 2.0, 1.0]))
    assert found.mae_mpa == pytest.approx(2.2 / 3)
    assert found.nmae_percent == pytest.approx(100 * 2.2 / 3 / 2.0)
    assert found.peak_error_percent == pytest.approx(10.0)
    assert found.peak_distance_mm == 5.0
    assert found.r2 == pytest.approx(1.0 - 2.44 / (2.0 / 3.0))
    extra = solution_arrays(field([2.0, 1.0, 1.0]), field([1.0, 2.0, 1.0]))
    np.testing.assert_allclose(extra["von_mises_error"].values, [1.0, -1.0, 0.0])
    assert {"von_mises_fe", "von_mises_error", "s1_fe", "s2_fe", "s3_fe"} == set(extra)

"""Farthest-point sampling."""

from __future__ import annotations

import numpy as np

from workers.geometry.farthest_points import farthest_points


def test_farthest_points_spread():
    line = np.column_stack([np.linspace(0.0, 1.0, 101), np.zeros(101), np.zeros(101)])
    np.testing.assert_array_equal(farthest_points(line, 5), [0, 100, 50, 25, 75])
    assert len(farthest_points(line, 500)) == 101

"""Percentiles of weighted samples."""

from __future__ import annotations

import numpy as np

from workers.geometry.weighted_statistics import weighted_percentiles


def test_equal_weights_are_hazen_percentiles():
    rng = np.random.default_rng(3)
    values = rng.normal(size=41)
    q = np.linspace(5, 95, 19)
    expected = np.percentile(values, q, method="hazen")
    np.testing.assert_allclose(weighted_percentiles(values, np.full(41, 0.3), q), expected, rtol=1e-12)


def test_percentile_of_three_weighted_values():
    # shares 1/2, 1/4, 1/4: middles at 25, 62.5 and 87.5 percent
    got = weighted_percentiles(np.array([30.0, 10.0, 20.0]), np.array([1.0, 2.0, 1.0]), (0, 25, 62.5, 75, 100))
    np.testing.assert_allclose(got, (10, 10, 20, 25, 30))

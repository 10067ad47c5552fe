"""The law of the expected error is found again in errors that were drawn from it."""

from __future__ import annotations

import numpy as np
import pytest

from training.surrogates.calibration.error_law import MeasuredErrors, fit_calibration, log_ratio_sd


def test_calibration_finds_the_law_it_was_drawn_from():
    random = np.random.default_rng(0)
    residual, deviation = random.uniform(0.3, 1.5, 200), random.uniform(0.2, 0.8, 200)
    nmae = 0.9 * residual**0.8 * deviation**0.4
    found = fit_calibration(MeasuredErrors(residual, deviation, nmae))
    assert (found.scale, found.residual_power, found.deviation_power) == pytest.approx((0.9, 0.8, 0.4))
    noisy = MeasuredErrors(residual, deviation, nmae * np.exp(0.2 * random.standard_normal(200)))
    assert log_ratio_sd(noisy, fit_calibration(noisy)) == pytest.approx(0.2, rel=0.2)


def test_a_surrogate_without_a_tensor_is_calibrated_on_the_shape_alone():
    deviation = np.array([0.2, 0.4, 0.8])
    found = fit_calibration(MeasuredErrors(np.ones(3), deviation, 2.0 * deviation))
    assert found.residual_power == 0.0
    assert found.expected_nmae(1.0, 0.3) == pytest.approx(0.6)
    assert found.limit == pytest.approx(np.quantile(2.0 * deviation, 0.8))

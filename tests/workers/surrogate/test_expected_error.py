"""What is said about a prediction, by hand and against the truth."""

from __future__ import annotations

import numpy as np
import pytest

from app.contract.params import JobParams
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.results.agreement import agreement
from workers.surrogate.expected_error import Calibration, shape_deviation, shape_distance


def test_expected_error_is_a_power_law():
    c = Calibration(2.0, 1.0, 0.5, least_residual=0.1, least_deviation=0.04, limit=0.8)
    assert c.expected_nmae(0.5, 0.25) == pytest.approx(0.5)
    assert c.expected_nmae(0.0, 0.0) == c.expected_nmae(0.1, 0.04) == pytest.approx(0.04)  # not believed below


def test_shape_distance_and_deviation(engine):
    template = engine.template
    assert shape_distance(1.2 * template.nodes + 7.0, template) == pytest.approx(0.0, abs=1e-9)
    bumped = template.nodes.copy()
    bumped[: template.n_surface : 2, 0] += 0.5
    bumped[1 : template.n_surface : 2, 0] -= 0.5
    assert shape_distance(bumped, template) == pytest.approx(0.5, rel=0.01)
    assert shape_deviation(np.full((600, 3), -0.7)) == pytest.approx(0.7)


def test_the_estimate_is_near_the_truth(engine):
    """A generated shape, solved and predicted: the expected error within half of the true one."""
    random = np.random.default_rng(5)
    c = 0.5 * random.standard_normal((engine.morpher.basis.shape[1], 3)) / np.sqrt(1 + np.arange(600) / 30)[:, None]
    points = engine.template.nodes + engine.morpher.basis @ c.astype(np.float32)
    engine.morpher.repair(points)
    predicted = engine.predict(points, REFERENCE_LOAD_NEWTON, "tangent")
    truth = engine.solve(points, REFERENCE_LOAD_NEWTON)[0].field
    got = agreement(points, predicted, truth).nmae_percent
    expected = engine.estimate_error(points, predicted, JobParams(surrogate="tangent")).expected_nmae_percent
    assert expected == pytest.approx(got, rel=0.5)

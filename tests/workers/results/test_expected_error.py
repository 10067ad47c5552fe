"""The expected error of outline and surrogate together."""

from __future__ import annotations

import pytest

from app.contract.report import Prediction
from app.contract.segmentation import Outline
from workers.results.expected_error import total_error

OUTLINE = Outline(
    view_dice=0.95,
    superior_endplate_edge=0.9,
    inferior_endplate_edge=0.9,
    dense_share=0.0,
    worst_place="body",
    expected_nmae_percent=1.6,
    load_axis_uncertainty_deg=1.3,
    uncertain=False,
)
PREDICTION = Prediction(
    surrogate="tangent",
    shape_distance_mm=1.0,
    shape_deviation=0.5,
    equilibrium_residual=0.3,
    expected_nmae_percent=1.2,
    out_of_distribution=False,
)


def test_independent_causes_add_up_in_squares():
    error = total_error(OUTLINE, PREDICTION, "surrogate")
    assert error is not None
    assert (error.outline_percent, error.surrogate_percent) == (1.6, 1.2)
    assert error.total_percent == pytest.approx(2.0)


def test_a_mask_that_was_sent_and_a_solution_add_nothing():
    mask = total_error(None, PREDICTION, "surrogate")
    assert mask is not None
    assert (mask.outline_percent, mask.total_percent) == (None, 1.2)
    solved = total_error(OUTLINE, PREDICTION, "fe")  # the prediction was replaced by a solution
    assert solved is not None
    assert (solved.surrogate_percent, solved.total_percent) == (None, 1.6)
    assert total_error(None, None, "fe") is None

from __future__ import annotations

import numpy as np
import pytest

from training.surrogates.evaluation.metrics import score_field

POINTS = np.array([[0.0, 0, 0], [3, 4, 0], [0, 0, 1], [0, 0, 2]])
TRUE = np.array([1.0, 4.0, 2.0, 1.0])
MEAN = np.array([1.0, 2.0, 2.0, 1.0])


def test_a_perfect_prediction():
    s = score_field(TRUE, TRUE, MEAN, POINTS)
    assert (s.mae, s.nmae, s.r2, s.skill, s.peak_error, s.peak_distance) == (0.0, 0.0, 1.0, 1.0, 0.0, 0.0)


def test_by_hand():
    s = score_field(TRUE, np.array([5.0, 4.0, 2.0, 1.0]), MEAN, POINTS)
    assert s.mae == 1.0
    assert s.nmae == 25.0
    assert s.r2 == pytest.approx(1.0 - 16.0 / 6.0)
    assert s.skill == pytest.approx(1.0 - 16.0 / 4.0)
    assert s.peak_error == 25.0
    assert s.peak_distance == 5.0
    assert (s.peak_node_true, s.peak_node_predicted) == (1, 0)


def test_the_mean_field_has_no_skill():
    assert score_field(TRUE, MEAN, MEAN, POINTS).skill == 0.0


def test_compression_peaks_count_by_size():
    s = score_field(-TRUE, np.array([-1.0, -3.0, -2.0, -1.0]), -MEAN, POINTS)
    assert (s.peak_true, s.peak_predicted) == (4.0, 3.0)

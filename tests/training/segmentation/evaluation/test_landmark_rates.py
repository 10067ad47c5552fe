"""Rates of ribs and sacrum are counted level by level, on bodies whose sides lie within their crop."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("joblib", reason="joblib is not installed (make training)")
pytest.importorskip("torch", reason="torch is not installed (make training)")

from training.segmentation.data.scan_files import CropScan
from training.segmentation.evaluation.landmark_rates import LandmarkRate, landmark_rates
from training.segmentation.evaluation.report_text import render_page
from workers.locate.landmark_network import Landmarks

SHAPE = (160, 160, 93)
LEVELS = ("T12", "L1", "L5", "S1", "S2")
HEIGHTS = (90.0, 68.0, 46.0, 24.0, 4.0)
"""Voxels; the crop cuts the sides of the first and of the last."""


class ByHeight:
    """Finds ribs at the upper bodies and none at the lower ones, is unsure between; the lowest lie on the sacrum."""

    def at(self, ct, centre):
        height = centre[2] / 1.5
        ribs = True if height > 57.0 else False if height < 35.0 else None
        return Landmarks(ribs, "on" if height < 35.0 else "above")


@pytest.fixture
def path(tmp_path):
    centres = np.array([[80.0, 100.0, z] for z in HEIGHTS], np.float32)
    nothing = np.zeros(SHAPE, np.int16)
    CropScan(nothing, nothing.astype(np.uint8), centres[2], "L1", centres, LEVELS, ("a",)).save(tmp_path / "a.npz")
    return tmp_path / "a.npz"


def test_rates_are_of_uncut_bodies_by_level(path):
    rates = landmark_rates(ByHeight(), [path] * 3, False)
    assert rates == [
        LandmarkRate("L1", False, 3, 1.0, 0.0, (1.0, 0.0, 0.0)),
        LandmarkRate("L5", False, 3, 0.0, 0.0, (1.0, 0.0, 0.0)),
        LandmarkRate("S1", False, 3, 0.0, 1.0, (0.0, 1.0, 0.0)),
    ]
    assert [rate.levels for rate in landmark_rates(ByHeight(), [path], True)] == ["L1", "S1"]
    page = render_page([], [], rates, [], "a machine")
    assert "| S1 | synthetic | 3 | 0.0% | 100.0% | 0.0% | 100.0% | 0.0% |" in page

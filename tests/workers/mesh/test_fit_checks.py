"""The limits of a fit, from both sides."""

from __future__ import annotations

import numpy as np
import pytest

from app.contract.errors import MorphFailed
from workers.mesh.fit_checks import check_distance, check_fold


@pytest.mark.parametrize("voxel_mm", [0.0, 3.0])
def test_limits_of_a_fit(voxel_mm):
    """0.6 mm on average and 2.5 mm at the 95th percentile, plus a tenth and a fifth of a voxel."""
    mean, p95 = 0.6 + 0.1 * voxel_mm, 2.5 + 0.2 * voxel_mm
    check_distance(np.full(1000, mean - 0.01), voxel_mm)
    with pytest.raises(MorphFailed):
        check_distance(np.full(1000, mean + 0.01), voxel_mm)
    tail = np.zeros(1000)
    tail[:60] = p95 - 0.01
    check_distance(tail, voxel_mm)
    tail[:60] = p95 + 0.01
    with pytest.raises(MorphFailed) as caught:
        check_distance(tail, voxel_mm)
    assert caught.value.got.endswith(f"{p95 + 0.01:.2f} mm")


def test_limit_of_folding():
    """1.8 % of the elements turned over, flat ones counted."""
    volume = np.ones(10_000)
    volume[:90], volume[90:179] = -1.0, 0.0
    check_fold(volume)
    volume[:182] = -1.0
    with pytest.raises(MorphFailed) as caught:
        check_fold(volume)
    assert caught.value.got == "1.8%"

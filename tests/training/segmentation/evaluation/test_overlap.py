"""Overlap and surface distances agree with closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from training.segmentation.evaluation.overlap import compare_masks
from workers.imaging.volume import Volume


def box(low: int, high: int, spacing: float = 1.0, n: int = 60) -> Volume:
    """A cuboid of 30 x 30 mm, from `low` to `high` voxels along z."""
    voxels = np.zeros((n, n, n), np.uint8)
    voxels[10 : 10 + int(30 / spacing), 10 : 10 + int(30 / spacing), low:high] = 1
    return Volume(voxels, np.diag([spacing] * 3 + [1.0]))


def test_eqs_6_to_9_in_closed_form():
    """10 of 30 layers missed, 5 too many: TP 20, FN 10, FP 5 (in units of a layer)."""
    found = compare_masks(box(20, 45), box(10, 40))
    assert found.dsc == pytest.approx(2 * 20 / 55)
    assert found.fnd == pytest.approx(2 * 10 / 55)
    assert found.fpd == pytest.approx(2 * 5 / 55)
    assert found.recall == pytest.approx(20 / 30)


def test_the_same_mask_is_perfect():
    found = compare_masks(box(10, 40), box(10, 40))
    assert (found.dsc, found.fnd, found.fpd, found.recall) == (1.0, 0.0, 0.0, 1.0)
    assert found.mean_mm < 0.01


def test_a_box_that_is_longer_by_five_millimetres():
    """The end faces (900 of 5,400 mm² of one box) are 5 mm apart; the sides coincide, except in the last 5 mm."""
    found = compare_masks(box(10, 45), box(10, 40))
    ours, theirs = 2 * 900 + 4 * 30 * 35, 2 * 900 + 4 * 30 * 30
    expected = 0.5 * ((900 * 5 + 4 * 30 * 5 * 2.5) / ours + 900 * 4.0 / theirs)
    assert found.mean_mm == pytest.approx(expected, rel=0.25)
    assert found.p95_mm == pytest.approx(5.0, abs=0.6)


def test_nothing_in_common():
    found = compare_masks(box(0, 8), box(20, 40))
    assert (found.dsc, found.recall) == (0.0, 0.0)
    assert found.fnd + found.fpd == pytest.approx(2.0)
    assert np.isnan(found.mean_mm)


def test_a_finer_mask_is_judged_on_the_voxels_of_the_reference():
    fine = Volume(np.kron(box(10, 40).voxels, np.ones((2, 2, 2), np.uint8)), np.diag([0.5, 0.5, 0.5, 1.0]))
    fine.affine[:3, 3] = -0.25
    assert compare_masks(fine, box(10, 40)).dsc == 1.0

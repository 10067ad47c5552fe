"""What a search in a whole CT counts as: right, refused or wrong."""

from __future__ import annotations

import numpy as np
import pytest

from app.contract.errors import VertebraNotFound
from training.segmentation.evaluation.report_text import render_page
from training.segmentation.evaluation.whole_ct_outcomes import FindVertebra, cut_mm2, search_ct, whole_vertebra
from workers.imaging.volume import Volume
from workers.mask.cleaning import clean_mask

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
CT = Volume(np.zeros((30, 30, 30), np.int16), AFFINE)


def block(low: int) -> Volume:
    voxels = np.zeros(CT.voxels.shape, np.uint8)
    voxels[8:18, 8:18, low : low + 10] = 1
    return Volume(voxels, AFFINE)


def find_block(low: int | None) -> FindVertebra:
    """A search that finds the block from `low` on, or refuses."""

    def find(ct, level):
        if low is None:
            raise VertebraNotFound("No.", expected=level, got="nothing")
        return clean_mask(block(low), 1), 0.9

    return find


@pytest.mark.parametrize(
    ("low", "reference", "verdict", "dsc"),
    [
        (10, 10, "right", 1.0),
        (10, 13, "right", 0.7),
        (10, 17, "wrong", 0.3),
        (10, None, "wrong", 0.0),
        (None, 10, "refused", 0.0),
        (None, None, "refused, vertebra incomplete", 0.0),
    ],
)
def test_each_search_has_a_verdict(low, reference, verdict, dsc):
    outcome = search_ct(find_block(low), "somebody", CT, None if reference is None else block(reference), "L1")
    assert outcome.verdict == verdict
    assert outcome.dsc == pytest.approx(dsc, abs=0.02)
    assert outcome.answer == ("vertebra_not_found: nothing" if low is None else "confidence 0.90")
    page = render_page([], [outcome], [], [], "a machine")
    assert f"| somebody | L1 | {verdict} | {outcome.dsc:.3f} |" in page


def test_the_area_at_the_faces():
    inside = np.zeros((10, 10, 10), bool)
    inside[0:4, 2:5, 3:8] = True
    assert cut_mm2(inside, np.array([1.0, 2.0, 3.0])) == pytest.approx(3 * 5 * 6.0)
    assert cut_mm2(np.roll(inside, 1, axis=0), np.array([1.0, 2.0, 3.0])) == 0.0


def test_a_tip_of_a_process_is_no_whole_vertebra():
    body, tip = np.zeros((30, 30, 30), np.uint8), np.zeros((30, 30, 30), np.uint8)
    body[10:20, 10:20, 10:20], tip[13:15, 4:7, 27:] = 20, 20
    for voxels, whole in ((body, True), (tip, False), (np.roll(body, 15, axis=2), False), (np.zeros_like(body), False)):
        reference = whole_vertebra(Volume(voxels, AFFINE), (20,))
        assert (reference is not None) == whole
        assert reference is None or reference.voxels.sum() == (voxels == 20).sum()

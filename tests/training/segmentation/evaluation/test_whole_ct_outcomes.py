"""What an answer to a CT alone counts as."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from app.contract.errors import VertebraNotFound
from synthetic_ct.bone_labels import THORACOLUMBAR_LEVELS
from synthetic_ct.spine import make_template_spine
from training.segmentation.evaluation.report_text import document
from training.segmentation.evaluation.whole_ct_outcomes import BOTTOMS, TOPS, ask, cut_mm2, random_ct, whole_vertebra
from workers.imaging.volume import Volume
from workers.mask.cleaning import clean_mask

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
CT = Volume(np.zeros((30, 30, 30), np.int16), AFFINE)


def block(low: int) -> Volume:
    voxels = np.zeros(CT.voxels.shape, np.uint8)
    voxels[8:18, 8:18, low : low + 10] = 1
    return Volume(voxels, AFFINE)


class Answers:
    """Returns the block from `low` on, or refuses."""

    def __init__(self, low: int | None) -> None:
        self.low = low

    def place(self, ct, params):
        if self.low is None:
            raise VertebraNotFound("No.", expected=params.vertebra, got="nothing")

    def mask(self, ct, place, params):
        return clean_mask(block(self.low), 1), SimpleNamespace(confidence=0.9)


@pytest.mark.parametrize(
    ("low", "truth", "verdict", "dsc"),
    [
        (10, 10, "right", 1.0),
        (10, 13, "right", 0.7),
        (10, 17, "wrong", 0.3),
        (10, None, "wrong", 0.0),
        (None, 10, "refused", 0.0),
        (None, None, "refused, not whole in it", 0.0),
    ],
)
def test_what_an_answer_counts_as(low, truth, verdict, dsc):
    answer = ask(Answers(low), "somebody", CT, None if truth is None else block(truth), "L1")
    assert answer.verdict == verdict
    assert answer.dsc == pytest.approx(dsc, abs=0.02)
    assert answer.told == ("vertebra_not_found: nothing" if low is None else "confidence 0.90")
    page = document([], [answer], [], [], "a machine")
    assert f"| somebody | L1 | {verdict} | {answer.dsc:.3f} |" in page


def test_the_area_at_the_faces():
    inside = np.zeros((10, 10, 10), bool)
    inside[0:4, 2:5, 3:8] = True
    assert cut_mm2(inside, np.array([1.0, 2.0, 3.0])) == pytest.approx(3 * 5 * 6.0)
    assert cut_mm2(np.roll(inside, 1, axis=0), np.array([1.0, 2.0, 3.0])) == 0.0


def test_a_tip_of_a_process_is_no_whole_vertebra():
    body, tip = np.zeros((30, 30, 30), np.uint8), np.zeros((30, 30, 30), np.uint8)
    body[10:20, 10:20, 10:20], tip[13:15, 4:7, 27:] = 20, 20
    for voxels, whole in ((body, True), (tip, False), (np.roll(body, 15, axis=2), False), (np.zeros_like(body), False)):
        truth = whole_vertebra(Volume(voxels, AFFINE), (20,))
        assert (truth is not None) == whole
        assert truth is None or truth.voxels.sum() == (voxels == 20).sum()


def test_random_cts_range_from_level_to_level():
    scan = random_ct(np.random.default_rng(5), [make_template_spine()])
    (x, y, z) = scan.ct.voxels.shape * scan.ct.spacing
    assert scan.labels.voxels.shape == scan.ct.voxels.shape
    assert 150.0 < x < 520.0
    assert 150.0 < y < 420.0
    assert 45.0 < z < 750.0
    assert scan.labels.voxels.any()
    assert set(TOPS) | set(BOTTOMS) <= set(THORACOLUMBAR_LEVELS)

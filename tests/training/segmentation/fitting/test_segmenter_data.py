"""What a fold of the segmenter may see, and the scores that accompany its training."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from tests.training.segmentation.small_anatomy import make_crop  # noqa: E402
from tests.training.segmentation.synthesis.test_labelled_tensors import make_ct  # noqa: E402
from training.segmentation.fitting import fit_segmenter  # noqa: E402
from training.segmentation.fitting.fit_segmenter import build_segmenter, real_dice, synthetic_dice  # noqa: E402
from training.segmentation.fitting.segmenter_data import SegmenterData  # noqa: E402
from training.segmentation.synthesis.boundary_batches import Batch  # noqa: E402
from workers.imaging.network_input import CHANNELS, STRUCTURES  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> SegmenterData:
    """Crops of two people and the CT of a third."""
    folder = tmp_path_factory.mktemp("data")
    for person in ("a", "b"):
        make_crop(person).save(folder / f"{person}.xz")
    make_ct().save(folder / "ct.npz")
    return SegmenterData([folder / "a.xz", folder / "b.xz"], [folder / "ct.npz"], "cpu")


def test_people_are_left_out(data):
    assert [crop.people for crop in data.crops_without(("a", "x"))] == [("b",)]
    assert [crop.people for crop in data.crops_with(("a", "x"))] == [("a",)]
    assert data.cts_without(("somebody",)) == data.cts_of(("a",)) == []
    assert [ct.source.person for ct in data.cts_of(("somebody",))] == ["somebody"]


def test_the_code_and_depth_are_those_of_the_crop(data):
    crop = make_crop()
    np.testing.assert_array_equal(data.crops[0].code.numpy(), crop.code)
    np.testing.assert_array_equal(data.crops[0].depth_steps.numpy(), crop.depth)
    assert data.crops[0].discs == crop.discs


class Perfect:
    """Batches whose slices are the logits of their targets."""

    def batch(self, number: int) -> Batch:
        targets = torch.nn.functional.one_hot((torch.arange(64) + number) % len(STRUCTURES), len(STRUCTURES))
        targets = targets.T.reshape(1, -1, 8, 8).float()
        return Batch(20.0 * targets, targets, torch.zeros(1, dtype=torch.bool))


def test_a_perfect_network_has_a_dice_score_of_one_in_every_structure_but_other():
    scores = synthetic_dice(torch.nn.Identity(), Perfect())
    assert tuple(scores) == STRUCTURES[1:]
    assert set(scores.values()) == {1.0}


def test_real_vertebrae_are_scored_in_both_frames(data, monkeypatch):
    monkeypatch.setattr(fit_segmenter, "WINDOW_SHAPE", (128, 128, 24))
    scores = real_dice(build_segmenter("bifusion", "tiny").eval(), data.cts)
    assert scores.keys() == {"somebody L1", "somebody L1 turned"}
    assert all(0.0 <= score <= 1.0 for score in scores.values())


@pytest.mark.parametrize("profile", ["tiny", "shipped"])
def test_a_segmenter_has_an_output_a_structure(profile):
    with torch.no_grad():
        assert build_segmenter("bifusion", profile).eval()(torch.zeros(1, CHANNELS, 32, 32)).shape == (
            1,
            len(STRUCTURES),
            32,
            32,
        )

"""The segmenter's loss: nothing for the truth, more for each mistake, and discs that nobody labelled are free."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from torch import Tensor  # noqa: E402

from training.segmentation.fitting.boundary_loss import boundary_loss  # noqa: E402
from training.segmentation.synthesis.boundary_batches import Batch  # noqa: E402
from workers.imaging.network_input import CHANNELS, STRUCTURES  # noqa: E402

SURE = 20.0
"""A logit that leaves no doubt."""
BOXES = {"vertebra": (4, 12), "above": (14, 18), "below": (20, 24), "sacrum": (26, 29), "disc": (12, 14)}
"""Rows of each structure; all have the same columns."""


def answer(boxes: dict[str, tuple[int, int]]) -> Tensor:
    """Return (2, 6, 32, 32): 1 in a structure's box, "other" elsewhere."""
    out = torch.zeros(2, len(STRUCTURES), 32, 32)
    for name, (low, high) in boxes.items():
        out[:, STRUCTURES.index(name), low:high, 8:24] = 1.0
    out[:, 0] = 1.0 - out[:, 1:].sum(dim=1)
    return out


def loss(boxes: dict[str, tuple[int, int]], truth: dict[str, tuple[int, int]], ambiguous: bool = False) -> float:
    batch = Batch(torch.zeros(2, CHANNELS, 32, 32), answer(truth), torch.full((2,), ambiguous))
    return float(boundary_loss(SURE * answer(boxes), batch))


def test_the_truth_costs_nothing():
    for truth in (BOXES, {"vertebra": (4, 12)}, {}):
        assert loss(truth, truth) < 1e-3
        assert loss(truth, truth, ambiguous=True) < 1e-3


@pytest.mark.parametrize("name", BOXES)
def test_every_structure_that_is_missed_or_added_costs(name):
    without = {other: box for other, box in BOXES.items() if other != name}
    assert loss(without, BOXES) > 0.5
    assert loss(BOXES, without) > 0.5


def test_a_neighbours_bone_taken_for_the_vertebra_costs():
    assert loss(BOXES | {"vertebra": (4, 18), "above": (18, 18), "disc": (12, 12)}, BOXES) > 2.0


def test_a_disc_that_nobody_labelled_is_free():
    without = {name: box for name, box in BOXES.items() if name != "disc"}
    assert loss(BOXES, without, ambiguous=True) < 1e-3
    assert loss(without, without, ambiguous=True) < 1e-3
    assert loss(BOXES, without) > 0.5
    assert loss(BOXES | {"vertebra": (4, 14), "disc": (0, 0)}, without, ambiguous=True) > 0.3  # bone is not a disc


def test_a_missed_pixel_costs_more_than_one_too_many():
    truth = {"vertebra": (8, 20)}
    assert loss({"vertebra": (10, 20)}, truth) > loss({"vertebra": (6, 20)}, truth)


def test_every_pixel_has_a_gradient():
    batch = Batch(torch.zeros(2, CHANNELS, 32, 32), answer(BOXES), torch.tensor([True, False]))
    torch.manual_seed(0)
    logits = torch.randn(2, len(STRUCTURES), 32, 32, requires_grad=True)
    boundary_loss(logits, batch).backward()
    assert logits.grad is not None
    assert float(logits.grad.abs().amax(dim=1).min()) > 0.0
    assert torch.isfinite(logits.grad).all()

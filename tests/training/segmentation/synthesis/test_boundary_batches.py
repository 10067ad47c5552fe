"""Batches of synthesised and real slices: whole targets, and nothing but seed and number decides them."""

from __future__ import annotations

import pytest
import torch

from tests.training.segmentation.synthesis.test_labelled_tensors import make_ct
from training.segmentation.synthesis import scanner
from training.segmentation.synthesis.boundary_batches import Batch, BatchSize, BoundaryBatches
from training.segmentation.synthesis.labelled_tensors import LabelledTensors
from workers.imaging.network_input import CHANNELS, STRUCTURES

SIZE = BatchSize(volumes=1, views=2, slices=3)


@pytest.fixture(autouse=True)
def coarse(monkeypatch) -> None:
    """Scans of large pixels, which take a tenth of a second."""
    monkeypatch.setattr(scanner, "LEAST_PIXEL_MM", 3.0)


def same(one: Batch, other: Batch) -> bool:
    return torch.equal(one.slices, other.slices) and torch.equal(one.targets, other.targets)


def test_a_batch_depends_on_its_number_and_the_seed(anatomy):
    batches = BoundaryBatches([anatomy], SIZE)
    batch = batches.batch(4)
    assert batch.slices.shape == (6, CHANNELS, 128, 128)
    assert batch.targets.shape == (6, len(STRUCTURES), 128, 128)
    assert batch.slices.dtype == batch.targets.dtype == torch.float32
    assert same(batch, BoundaryBatches([anatomy], SIZE).batch(4))
    assert not same(batch, batches.batch(5))
    assert not same(batch, BoundaryBatches([anatomy], SIZE, seed=1).batch(4))


def test_targets_sum_to_one_and_the_vertebra_is_seen(anatomy):
    batches, seen = BoundaryBatches([anatomy], BatchSize(1, 2, 8)), torch.zeros(len(STRUCTURES))
    for number in range(4):
        batch = batches.batch(number)
        assert torch.isfinite(batch.slices).all()
        assert float(batch.targets.min()) >= 0.0
        torch.testing.assert_close(batch.targets.sum(dim=1), torch.ones(16, 128, 128), atol=1e-4, rtol=0.0)
        assert not batch.ambiguous.any()
        seen += batch.targets.sum(dim=(0, 2, 3))
    assert (seen > 50.0).all()  # every structure


def test_real_cts_are_taken_as_often_as_asked_and_have_no_discs(anatomy):
    real = LabelledTensors.of(make_ct(), torch.device("cpu"))
    batches = BoundaryBatches([anatomy], BatchSize(2, 1, 2), [real], real_share=0.5)
    ambiguous = []
    for number in range(10):
        batch = batches.batch(number)
        ambiguous += batch.ambiguous.tolist()
        assert float(batch.targets[batch.ambiguous][:, STRUCTURES.index("disc")].sum()) == 0.0
    assert 0.25 < sum(ambiguous) / len(ambiguous) < 0.75

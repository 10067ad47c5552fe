"""The loss of a heat map of body centres, which locator and row network mark."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

HEAT_WEIGHT = 30.0
"""A voxel in the middle of a mark weighs so much more than one without: marks fill few of thousands of voxels."""


def marks_loss(logits: Tensor, heat: Tensor, known: Tensor, one_mark: float) -> Tensor:
    """Return the weighted cross-entropy a mark, not a voxel: marks are a few voxels of thousands.

    Parameters
    ----------
    logits, heat
        (b, i, j, k) of the network, and the heat map.
    known
        (b, i, j, k), 0 or False where a voxel does not count.
    one_mark
        Sum of one mark over its voxels.
    """
    weight = (1.0 + HEAT_WEIGHT * heat) * known
    entropy = functional.binary_cross_entropy_with_logits(logits, heat, weight, reduction="sum")
    return entropy / (HEAT_WEIGHT * (one_mark + heat.sum()))

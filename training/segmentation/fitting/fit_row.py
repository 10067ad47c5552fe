"""Train the row network on windows along the spine."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.segmentation.data.row_batches import RowBatches
from training.segmentation.fitting.marks_loss import marks_loss
from training.segmentation.fitting.training_loop import Score, TrainingSettings, fit
from training.segmentation.networks.row_net import ROW_WIDTHS, RowNet

ROW_STEPS = {"paper": 12_000, "shipped": 5_000, "tiny": 4}
ROW_RATE = 3e-3
VALIDATION_BATCHES = 8
ONE_MARK = 180.0
"""Sum of one mark over its voxels: (2 π)^1.5 (4.5 mm / 2 mm)³ = 179."""
PRESENT = 0.5
"""Share of a voxel from which it counts as disc or sacrum in the scores."""


def row_loss(logits: Tensor, marks: Tensor, drawn: Tensor) -> Tensor:
    """Return the weighted cross-entropy a mark, plus cross-entropy and soft Dice loss of disc and sacrum.

    Parameters
    ----------
    logits
        (b, len(ROW_OUTPUTS), i, j, k) of the network.
    marks
        (b, MARKS, i, j, k) of `RowBatches.batch`. Bodies do not count where they are unknown.
    drawn
        (b,) bool: disc and sacrum count in these alone.
    """
    logits = logits.float()
    heat, shares, known = marks[:, 0], marks[:, 1:3], marks[:, 3]
    body = marks_loss(logits[:, 0], heat * known, known, ONE_MARK)
    if not drawn.any():
        return body
    logits, shares = logits[drawn], shares[drawn]
    p = torch.sigmoid(logits[:, 1:])
    axes = (0, 2, 3, 4)
    dice = (2.0 * (p * shares).sum(axes) + 1.0) / ((p + shares).sum(axes) + 1.0)
    return body + functional.binary_cross_entropy_with_logits(logits[:, 1:], shares) + (1.0 - dice).mean()


def fit_row(
    profile: str, batches: RowBatches, held_out: RowBatches, work: Path, settings: TrainingSettings
) -> nn.Module:
    """Train; `work` keeps the checkpoint and the curves.

    The curves have the loss on windows of people held out, and the Dice of disc and sacrum.
    """
    torch.manual_seed(0)

    def loss(model: nn.Module, number: int) -> Tensor:
        images, marks, drawn = batches.batch(number)
        return row_loss(model(images), marks, drawn)

    def validate(model: nn.Module) -> Score:
        losses, both, either = [], torch.zeros(2), torch.zeros(2)
        for number in range(VALIDATION_BATCHES):
            images, marks, drawn = held_out.batch(number)
            logits = model(images)
            losses.append(float(row_loss(logits, marks, drawn)))
            found, there = logits[:, 1:] > 0.0, marks[:, 1:3] > PRESENT
            both += (found & there).sum(dim=(0, 2, 3, 4))
            either += found.sum(dim=(0, 2, 3, 4)) + there.sum(dim=(0, 2, 3, 4))
        disc, sacrum = (2.0 * both / either.clamp_min(1.0)).tolist()
        return {"held_out": sum(losses) / len(losses), "disc": disc, "sacrum": sacrum}

    return fit(RowNet(ROW_WIDTHS[profile]), loss, validate, work, settings)

"""Train the landmark network on the sides of synthetic and real vertebrae."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.segmentation.data.landmark_batches import LandmarkBatches
from training.segmentation.fitting.training_loop import Score, TrainingSettings, fit
from training.segmentation.networks.landmark_net import LANDMARK_WIDTHS, LandmarkNet
from workers.locate.landmark_network import SACRAL_POSITIONS

LANDMARK_STEPS = {"paper": 6_000, "shipped": 2_400, "tiny": 4}
LANDMARK_RATE = 2e-3
VALIDATION_BATCHES = 12
"""Batches of 32 sides that a validation scores."""


def landmark_loss(logits: Tensor, ribs: Tensor, sacral: Tensor) -> Tensor:
    """Return the cross-entropy of the ribs plus that of the position to the sacrum.

    Parameters
    ----------
    logits
        (b, LOGITS) of the network.
    ribs
        (b,) float32, 1 where there is a rib.
    sacral
        (b,) positions in `SACRAL_POSITIONS`.
    """
    return functional.binary_cross_entropy_with_logits(logits[:, 0], ribs) + functional.cross_entropy(
        logits[:, 1:], sacral
    )


def fit_landmarks(
    profile: str, batches: LandmarkBatches, held_out: LandmarkBatches, work: Path, settings: TrainingSettings
) -> nn.Module:
    """Train; `work` keeps the checkpoint and the curves.

    The curves have the shares of sides that the network classifies correctly: ``with`` a rib, ``without`` one, and of
    each of `SACRAL_POSITIONS`.
    """
    torch.manual_seed(0)

    def loss(model: nn.Module, number: int) -> Tensor:
        sides, ribs, sacral = batches.batch(number)
        return landmark_loss(model(sides).float(), ribs, sacral)

    def validate(model: nn.Module) -> Score:
        sides, ribs, sacral = zip(*(held_out.batch(number) for number in range(VALIDATION_BATCHES)), strict=True)
        logits = torch.cat([model(batch) for batch in sides])
        found_rib, has_rib = logits[:, 0] > 0.0, torch.cat(ribs) > 0.5
        found_sacral, is_sacral = logits[:, 1:].argmax(dim=1), torch.cat(sacral)
        right = {"with": found_rib[has_rib], "without": ~found_rib[~has_rib]}
        right |= {str(name): (found_sacral == i)[is_sacral == i] for i, name in enumerate(SACRAL_POSITIONS)}
        return {name: float(answers.float().mean()) for name, answers in right.items()}

    return fit(LandmarkNet(LANDMARK_WIDTHS[profile]), loss, validate, work, settings)

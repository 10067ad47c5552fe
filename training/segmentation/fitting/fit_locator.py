"""Train the locator's network on fields of view of synthetic and real trunks."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthetic_ct.bone_labels import UNKNOWN
from training.segmentation.data.trunk_batches import TrunkBatches
from training.segmentation.fitting.marks_loss import marks_loss
from training.segmentation.fitting.training_loop import Score, TrainingSettings, fit
from training.segmentation.networks.locator_net import LOCATOR_WIDTHS, LocatorNet
from workers.locate.locator import CLASSES

LOCATOR_STEPS = {"paper": 20_000, "shipped": 6_000, "tiny": 4}
LOCATOR_RATE = 3e-3
VALIDATION_VOLUMES = 16
FIRST_VERTEBRA, LAST_VERTEBRA = 1, CLASSES.index("L5")
"""Classes of the vertebrae: from "T1-T9" to "L5"."""
BACKGROUND_WEIGHT = 0.08
"""Weight of the background in the cross-entropy, against 1 of each bone: most voxels show no bone."""
MARKS_WEIGHT = 3.0
"""Weight of the marks against each of the other three terms."""
ONE_MARK = 126.0
"""Sum of one mark over its voxels: (2 π)^1.5 `HEAT_SD`³ = 126.0."""


def locator_loss(logits: Tensor, classes: Tensor, heat: Tensor) -> Tensor:
    """Return the sum of four losses: cross-entropy and soft Dice of the classes, cross-entropy of levels, of marks.

    Parameters
    ----------
    logits
        (b, len(CLASSES) + 1, i, j, k) of the network.
    classes
        (b, i, j, k) int64; voxels of `UNKNOWN` do not count.
    heat
        (b, i, j, k) float32 heat map of body centres.
    """
    logits = logits.float()
    weight = torch.ones(len(CLASSES))
    weight[0] = BACKGROUND_WEIGHT
    known = classes != UNKNOWN
    entropy = functional.cross_entropy(logits[:, :-1], classes, weight, ignore_index=UNKNOWN)
    overlap = _dice_loss(logits[:, :-1], classes, known)
    marks = marks_loss(logits[:, -1], heat, known, ONE_MARK)
    level = _level_loss(logits, classes)
    return entropy + overlap + level + MARKS_WEIGHT * marks


def _dice_loss(logits: Tensor, classes: Tensor, known: Tensor) -> Tensor:
    """Return 1 minus the mean soft Dice of the bones that are there, each smoothed by one voxel."""
    p = logits.softmax(dim=1)[:, 1:]
    p = p * known[:, None]
    truth = functional.one_hot(classes.where(known, 0), len(CLASSES)).movedim(-1, 1)[:, 1:].float()
    both, either = (p * truth).sum(dim=(0, 2, 3, 4)), (p + truth).sum(dim=(0, 2, 3, 4))
    present = truth.sum(dim=(0, 2, 3, 4)) > 0
    dice = ((2.0 * both + 1.0) / (either + 1.0))[present]
    return 1.0 - dice.mean() if present.any() else logits.new_zeros(())


def _level_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the cross-entropy of the level within vertebrae: the few voxels of a level hardly count in the others."""
    vertebra = (classes >= FIRST_VERTEBRA) & (classes <= LAST_VERTEBRA)
    if not vertebra.any():
        return logits.new_zeros(())
    return functional.cross_entropy(
        logits[:, FIRST_VERTEBRA : LAST_VERTEBRA + 1].movedim(1, -1)[vertebra], classes[vertebra] - FIRST_VERTEBRA
    )


def fit_locator(
    profile: str, batches: TrunkBatches, held_out: TrunkBatches, work: Path, settings: TrainingSettings
) -> nn.Module:
    """Train; `work` keeps the checkpoint and the curves.

    The curves have the shares of the vertebrae's voxels that are classified as ``vertebra``, and as their ``level``.
    """
    torch.manual_seed(0)

    def loss(model: nn.Module, number: int) -> Tensor:
        image, classes, heat = batches.sample(number)
        return locator_loss(model(image), classes, heat)

    def validate(model: nn.Module) -> Score:
        right, vertebra, total = 0, 0, 0
        for number in range(VALIDATION_VOLUMES):
            image, classes, _ = held_out.sample(number)
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                shares = model(image)[:, :-1].float().softmax(dim=1)
            bone = (classes >= FIRST_VERTEBRA) & (classes <= LAST_VERTEBRA)
            levels = shares[:, FIRST_VERTEBRA : LAST_VERTEBRA + 1]
            right += int((levels.argmax(dim=1) + FIRST_VERTEBRA)[bone].eq(classes[bone]).sum())
            vertebra += int((levels.sum(dim=1)[bone] > 0.5).sum())
            total += int(bone.sum())
        return {"level": right / max(total, 1), "vertebra": vertebra / max(total, 1)}

    return fit(LocatorNet(LOCATOR_WIDTHS[profile]), loss, validate, work, settings)

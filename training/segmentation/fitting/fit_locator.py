"""Train the localiser on fields of view of synthetic and real trunks."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthetic_ct.bone_labels import UNKNOWN
from training.segmentation.data.trunk_batches import TrunkBatches
from training.segmentation.fitting.training_loop import Score, fit
from training.segmentation.networks.locator_net import LOCATOR_WIDTHS, LocatorNet
from workers.locate.locator import CLASSES

STEPS = {"paper": 20_000, "shipped": 6_000, "tiny": 4}
FIRST, LAST = 1, CLASSES.index("L5")
"""Classes of vertebrae."""
BACKGROUND_WEIGHT, HEAT_WEIGHT = 0.08, 30.0
ONE_MARK = 126.0
"""Sum of one mark over its voxels, about."""


def loss(logits: Tensor, classes: Tensor, heat: Tensor) -> Tensor:
    """Cross-entropy and soft Dice of the classes, cross-entropy of the marks with their few high voxels weighted up."""
    logits = logits.float()
    weight = torch.ones(len(CLASSES))
    weight[0] = BACKGROUND_WEIGHT
    known = classes != UNKNOWN
    entropy = functional.cross_entropy(logits[:, :-1], classes, weight, ignore_index=UNKNOWN)
    p = logits[:, :-1].softmax(dim=1)[:, 1:]
    p = p * known[:, None]
    truth = functional.one_hot(classes.where(known, 0), len(CLASSES)).movedim(-1, 1)[:, 1:].float()
    both, either = (p * truth).sum(dim=(0, 2, 3, 4)), (p + truth).sum(dim=(0, 2, 3, 4))
    there = truth.sum(dim=(0, 2, 3, 4)) > 0
    dice = ((2.0 * both + 1.0) / (either + 1.0))[there]
    overlap = 1.0 - dice.mean() if there.any() else logits.new_zeros(())
    # Marks are a few voxels of thousands: measured per mark, not per voxel.
    weight_of = (1.0 + HEAT_WEIGHT * heat) * known
    each = functional.binary_cross_entropy_with_logits(logits[:, -1], heat, weight_of, reduction="sum")
    marks = each / (HEAT_WEIGHT * (ONE_MARK + heat.sum()))
    vertebra = (classes >= FIRST) & (classes <= LAST)
    level = logits.new_zeros(())
    if vertebra.any():  # which one it is, given that it is one: else the few voxels of each level hardly count
        level = functional.cross_entropy(
            logits[:, FIRST : LAST + 1].movedim(1, -1)[vertebra], classes[vertebra] - FIRST
        )
    return entropy + overlap + level + 3.0 * marks


def fit_locator(
    profile: str,
    batches: TrunkBatches,
    held_out: TrunkBatches,
    work: Path,
    *,
    steps: int | None = None,
    start: Path | None = None,
    rate: float = 3e-3,
    progress: bool | None = None,
) -> nn.Module:
    """Train; checkpoint and curves are kept in `work`.

    The curves have the share of the vertebrae's voxels that are seen as such, and that get the right level.
    """
    torch.manual_seed(0)
    model = LocatorNet(LOCATOR_WIDTHS[profile])

    def step(model: nn.Module, number: int) -> Tensor:
        image, classes, heat = batches.sample(number)
        return loss(model(image), classes, heat)

    def validate(model: nn.Module) -> Score:
        right, vertebra, total = 0, 0, 0
        for number in range(16):
            image, classes, _ = held_out.sample(number)
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                shares = model(image)[:, :-1].float().softmax(dim=1)
            bone = (classes >= FIRST) & (classes <= LAST)
            level = shares[:, FIRST : LAST + 1].argmax(dim=1) + FIRST
            right += int((level[bone] == classes[bone]).sum())
            vertebra += int((shares[:, FIRST : LAST + 1].sum(dim=1)[bone] > 0.5).sum())
            total += int(bone.sum())
        return {"level": right / max(total, 1), "vertebra": vertebra / max(total, 1)}

    return fit(
        model,
        step,
        validate,
        steps or STEPS[profile],
        work,
        rate=rate,
        start=start,
        validate_every=250,
        progress=progress,
    )

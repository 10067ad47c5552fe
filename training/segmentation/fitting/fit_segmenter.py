"""Train BiFusion-UNet or a baseline on slices of synthetic and real surroundings of vertebrae."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.segmentation.data.crop_batches import CropBatches
from training.segmentation.data.reference_cases import ReferenceCase
from training.segmentation.fitting.training_loop import Score, fit
from training.segmentation.networks.torch_session import TorchSession
from training.segmentation.networks.unets import UNET_WIDTHS, Kind, build
from workers.imaging.network_input import CHANNELS
from workers.imaging.resampling import CROP_STEP_MM, sample
from workers.locate.segmenter import WINDOW_SHAPE, Segmenter

STEPS = {"paper": 40_000, "shipped": 6_000, "tiny": 4}
LEAST_CHANNELS_LAST = 16
"""Width from which the faster memory format is used: with fewer channels its gradients crash (torch 2.13, CPU)."""
MISSED = 0.65
"""Weight of a missed voxel against one too many (1 - MISSED): the thin tips of the processes are what is missed."""


def loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy plus one minus the Tversky index of the batch (Salehi et al., MLMI 2017; one half each is Dice).

    `target` (b, 1, h, w) is in 0 to 1.
    """
    logits = logits.float()
    p = torch.sigmoid(logits)
    both, more, less = (p * target).sum(), (p * (1.0 - target)).sum(), ((1.0 - p) * target).sum()
    index = (both + 1.0) / (both + (1.0 - MISSED) * more + MISSED * less + 1.0)
    return functional.binary_cross_entropy_with_logits(logits, target) + 1.0 - index


def fit_segmenter(
    kind: Kind,
    profile: str,
    batches: CropBatches,
    held_out: list[ReferenceCase],
    work: Path,
    *,
    steps: int | None = None,
    start: Path | None = None,
    rate: float = 2e-3,
    progress: bool | None = None,
) -> nn.Module:
    """Train; checkpoint and curves (training loss, F1 on scans of people held out) are kept in `work`."""
    torch.manual_seed(0)
    layout = torch.channels_last if UNET_WIDTHS[profile] >= LEAST_CHANNELS_LAST else torch.contiguous_format
    model = build(kind, CHANNELS, UNET_WIDTHS[profile]).to(memory_format=layout)

    def step(model: nn.Module, number: int) -> Tensor:
        image, target = batches.batch(number)
        return loss(model(image.contiguous(memory_format=layout)), target)

    def validate(model: nn.Module) -> Score:
        return {"f1": f1(model, held_out)}

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


def f1(model: nn.Module, cases: list[ReferenceCase]) -> float:
    """Return the mean F1 score (Dice) over cases, before any cleaning."""
    scores = []
    segmenter = Segmenter(TorchSession(model))
    for case in cases:
        with torch.autocast("cpu", torch.bfloat16):
            p = segmenter.probability(case.ct, case.centre)
        truth = sample(case.reference, p.affine[:3, 3], CROP_STEP_MM, WINDOW_SHAPE, 0.0).voxels > 0.5
        found = p.voxels > 0.5
        scores.append(2.0 * (found & truth).sum() / max(found.sum() + truth.sum(), 1))
    return float(np.mean(scores))

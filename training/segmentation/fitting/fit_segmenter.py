"""Train BiFusion-UNet or a baseline on slices of synthetic and real vertebrae."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.segmentation.data.crop_batches import CropBatches
from training.segmentation.data.reference_cases import ReferenceCase
from training.segmentation.fitting.training_loop import Score, TrainingSettings, fit
from training.segmentation.networks.torch_session import TorchSession
from training.segmentation.networks.unets import UNET_WIDTHS, Kind, build
from workers.imaging.network_input import CHANNELS
from workers.imaging.resampling import CROP_STEP_MM, sample
from workers.locate.segmenter import CROP_SHAPE, Segmenter

SEGMENTER_STEPS = {"paper": 40_000, "shipped": 6_000, "tiny": 4}
SEGMENTER_RATE = 2e-3
LEAST_CHANNELS_LAST = 16
"""Width from which the faster memory format is used: with fewer channels its gradients crash (torch 2.13, CPU)."""
MISSED = 0.65
"""Weight of a missed voxel, against 1 - MISSED of one too many: the thin tips of the processes were missed."""


def segmenter_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy plus one minus the Tversky index of the batch, smoothed by one pixel.

    Salehi et al., MLMI 2017; `MISSED` of one half is the Dice loss. Both arguments are (b, 1, h, w), the target from
    0 to 1.
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
    settings: TrainingSettings,
) -> nn.Module:
    """Train; `work` keeps the checkpoint and the curves: training loss, and F1 on people held out."""
    torch.manual_seed(0)
    layout = torch.channels_last if UNET_WIDTHS[profile] >= LEAST_CHANNELS_LAST else torch.contiguous_format
    model = build(kind, CHANNELS, UNET_WIDTHS[profile]).to(memory_format=layout)

    def loss(model: nn.Module, number: int) -> Tensor:
        image, target = batches.batch(number)
        return segmenter_loss(model(image.contiguous(memory_format=layout)), target)

    def validate(model: nn.Module) -> Score:
        return {"f1": f1(model, held_out)}

    return fit(model, loss, validate, work, settings)


def f1(model: nn.Module, cases: list[ReferenceCase]) -> float:
    """Return the mean F1 score (Dice) over cases, before the mask is cleaned."""
    scores = []
    segmenter = Segmenter(TorchSession(model))
    for case in cases:
        with torch.autocast("cpu", torch.bfloat16):
            p = segmenter.probability(case.ct, case.centre)
        reference = sample(case.reference, p.affine[:3, 3], CROP_STEP_MM, CROP_SHAPE, 0.0).voxels > 0.5
        found = p.voxels > 0.5
        scores.append(2.0 * (found & reference).sum() / max(found.sum() + reference.sum(), 1))
    return float(np.mean(scores))

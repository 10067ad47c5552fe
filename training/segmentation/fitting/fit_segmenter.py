"""Train BiFusion-UNet or a baseline on slices of synthesised CTs and of labelled real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training.segmentation.fitting.boundary_loss import boundary_loss
from training.segmentation.fitting.training_loop import Score, TrainingSettings, fit
from training.segmentation.networks.unets import UNET_WIDTHS, Kind, build
from training.segmentation.synthesis.boundary_batches import BatchSize, BoundaryBatches
from training.segmentation.synthesis.labelled_tensors import LabelledTensors
from training.segmentation.synthesis.views import WINDOW_SHAPE, View
from workers.imaging.frame import frame_of
from workers.imaging.network_input import CHANNELS, STRUCTURES

SEGMENTER_STEPS = {"paper": 40_000, "shipped": 12_000, "tiny": 4}
SEGMENTER_RATE = 2e-3
SEGMENTER_BATCH = {"paper": BatchSize(2, 4, 24), "shipped": BatchSize(2, 4, 24), "tiny": BatchSize(1, 2, 4)}
LEAST_CHANNELS_LAST = 16
"""Width from which the faster memory format is used: with fewer channels its gradients crash (torch 2.13, CPU)."""
VALIDATION_BATCHES = 4
VALIDATION_SLICES = 24
"""Slices of a real CT in one pass of the network."""
VERTEBRA = STRUCTURES.index("vertebra")
FOUND = 0.5
"""Probability from which a validation counts a pixel."""


def build_segmenter(kind: Kind, profile: str) -> nn.Module:
    """Return an untrained segmenter."""
    return build(kind, CHANNELS, UNET_WIDTHS[profile], len(STRUCTURES))


def fit_segmenter(
    kind: Kind,
    profile: str,
    batches: BoundaryBatches,
    held_out: tuple[BoundaryBatches, list[LabelledTensors]],
    work: Path,
    settings: TrainingSettings,
) -> nn.Module:
    """Train; `work` keeps the checkpoint and the curves.

    The curves have the Dice score of each structure on synthesised CTs, and of the vertebra on every vertebra of
    real CTs: ``person level`` in the scan's axes and ``person level turned`` in the vertebra's frame.
    """
    torch.manual_seed(0)
    fast = UNET_WIDTHS[profile] >= LEAST_CHANNELS_LAST
    layout = torch.channels_last if fast else torch.contiguous_format
    model = build_segmenter(kind, profile).to(memory_format=layout)
    torch.backends.cudnn.benchmark = True  # every batch has the same shape

    def loss(model: nn.Module, number: int) -> Tensor:
        with torch.no_grad(), torch.autocast(settings.device, enabled=False):
            batch = batches.batch(number)
        return boundary_loss(model(batch.slices.contiguous(memory_format=layout)), batch)

    def validate(model: nn.Module) -> Score:
        return synthetic_dice(model, held_out[0]) | real_dice(model, held_out[1])

    return fit(model, loss, validate, work, settings)


def synthetic_dice(model: nn.Module, batches: BoundaryBatches) -> Score:
    """Return the Dice score of each structure but "other", over `VALIDATION_BATCHES`."""
    both, either = np.zeros(len(STRUCTURES)), np.zeros(len(STRUCTURES))
    for number in range(VALIDATION_BATCHES):
        batch = batches.batch(number)
        p, t = _shares(model, batch.slices) > FOUND, batch.targets > FOUND
        both += (p & t).sum(dim=(0, 2, 3)).cpu().numpy()
        either += (p.sum(dim=(0, 2, 3)) + t.sum(dim=(0, 2, 3))).cpu().numpy()
    scores = {name: float(2.0 * b / max(e, 1.0)) for name, b, e in zip(STRUCTURES, both, either, strict=True)}
    del scores["other"]
    return scores


def real_dice(model: nn.Module, scans: list[LabelledTensors]) -> Score:
    """Return the Dice score of each whole vertebra of real CTs, in the scan's axes and in the vertebra's frame."""
    scores = {}
    for scan in scans:
        for which, level in enumerate(scan.source.levels):
            name = f"{scan.source.person} {level}"
            scores[name] = _dice(model, scan, which, np.eye(3))
            scores[f"{name} turned"] = _dice(model, scan, which, frame_of(scan.source.up[which]))
    return scores


def _dice(
    model: nn.Module, scan: LabelledTensors, which: int, turn: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> float:
    both = either = 0
    for start in range(0, WINDOW_SHAPE[2], VALIDATION_SLICES):
        view = View(turn, np.zeros(3), np.arange(start, start + VALIDATION_SLICES))
        slices, targets = scan.look(which, view)
        p, t = _shares(model, slices)[:, VERTEBRA] > FOUND, targets[:, VERTEBRA] > FOUND
        both, either = both + int((p & t).sum()), either + int(p.sum() + t.sum())
    return 2.0 * both / max(either, 1)


def _shares(model: nn.Module, slices: Tensor) -> Tensor:
    """Return the probability (n, 6, h, w) of each structure."""
    with torch.autocast(slices.device.type, torch.bfloat16):
        logits = model(slices)
    return logits.float().softmax(dim=1)

"""Train the network that sees ribs on the surroundings of synthetic and real vertebrae."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.segmentation.fit import Score, fit
from training.segmentation.rib_batches import RibBatches
from training.segmentation.rib_net import WIDTHS, RibNet

STEPS = {"paper": 6_000, "shipped": 1_800, "tiny": 4}
HELD_OUT_BATCHES = 12


def fit_ribs(
    profile: str,
    batches: RibBatches,
    held_out: RibBatches,
    work: Path,
    *,
    steps: int | None = None,
    start: Path | None = None,
    rate: float = 2e-3,
    progress: bool | None = None,
) -> nn.Module:
    """Train; checkpoint and curves are kept in `work`.

    The curves have the shares of views with, and without, a rib that are seen as such.
    """
    torch.manual_seed(0)
    model = RibNet(WIDTHS[profile])

    def step(model: nn.Module, number: int) -> Tensor:
        views, ribs = batches.batch(number)
        return functional.binary_cross_entropy_with_logits(model(views).float(), ribs)

    def validate(model: nn.Module) -> Score:
        views, ribs = zip(*(held_out.batch(number) for number in range(HELD_OUT_BATCHES)), strict=True)
        seen = torch.cat([model(view) for view in views]) > 0.0
        there = torch.cat(ribs) > 0.5
        return {"with": float(seen[there].float().mean()), "without": float((~seen[~there]).float().mean())}

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

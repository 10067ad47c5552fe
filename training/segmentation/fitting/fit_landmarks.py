"""Train the network that sees ribs and the sacrum on the surroundings of synthetic and real vertebrae."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.segmentation.data.landmark_batches import LandmarkBatches
from training.segmentation.fitting.training_loop import Score, fit
from training.segmentation.networks.landmark_net import LANDMARK_WIDTHS, LandmarkNet
from workers.locate.landmark_network import SACRAL

STEPS = {"paper": 6_000, "shipped": 2_400, "tiny": 4}
HELD_OUT_BATCHES = 12


def fit_landmarks(
    profile: str,
    batches: LandmarkBatches,
    held_out: LandmarkBatches,
    work: Path,
    *,
    steps: int | None = None,
    start: Path | None = None,
    rate: float = 2e-3,
    progress: bool | None = None,
) -> nn.Module:
    """Train; checkpoint and curves are kept in `work`.

    The curves have the shares of views with, and without, a rib, and of each of `SACRAL`, that are seen as such.
    """
    torch.manual_seed(0)
    model = LandmarkNet(LANDMARK_WIDTHS[profile])

    def step(model: nn.Module, number: int) -> Tensor:
        views, ribs, sacral = batches.batch(number)
        logits = model(views).float()
        return functional.binary_cross_entropy_with_logits(logits[:, 0], ribs) + functional.cross_entropy(
            logits[:, 1:], sacral
        )

    def validate(model: nn.Module) -> Score:
        views, ribs, sacral = zip(*(held_out.batch(number) for number in range(HELD_OUT_BATCHES)), strict=True)
        logits = torch.cat([model(view) for view in views])
        seen, there = logits[:, 0] > 0.0, torch.cat(ribs) > 0.5
        found, place = logits[:, 1:].argmax(dim=1), torch.cat(sacral)
        score = {"with": seen[there], "without": ~seen[~there]}
        score |= {str(name): (found == i)[place == i] for i, name in enumerate(SACRAL)}
        return {name: float(right.float().mean()) for name, right in score.items()}

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

"""The course of one autoencoder's training; a killed run goes on from its last epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from training.artifacts.files import atomic_path

BATCH = 16
"""Samples of one step."""
LEARNING_RATE = 3e-3
"""Of Adam at the start of its cosine schedule."""
GRADIENT_NORM = 1.0
"""Largest norm of the gradient of one step; longer ones are shortened to it."""
VALIDATION_SHARE = 0.1
"""Share of the samples that draws the validation curve; nothing is chosen by it."""

Batch = NDArray[np.intp]
"""Ids of the samples of one step."""


def train_autoencoder(
    name: str, model: nn.Module, loss: Callable[[Batch], torch.Tensor], count: int, epochs: int, work: Path
) -> list[tuple[float, float]]:
    """Run Adam with a cosine schedule; return (training, validation) loss by epoch.

    Parameters
    ----------
    name
        Of the state file ``work/NAME.pt`` and of the progress bar.
    model
        The network, changed in place.
    loss
        Returns the loss of a batch of sample ids.
    count
        Number of samples.
    epochs
        Passes over the training samples, those of a killed run included.
    work
        Folder of the state file.
    """
    path = work / f"{name}.pt"
    random = np.random.default_rng(1)
    order = random.permutation(count)
    held_out = max(1, int(VALIDATION_SHARE * count))
    optimiser = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    curve: list[tuple[float, float]] = []
    if path.exists():
        state = torch.load(path, weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        curve = [(float(a), float(b)) for a, b in state["curve"]]
    for _ in (bar := tqdm(range(len(curve), epochs), desc=f"training {name}", initial=len(curve), total=epochs)):
        model.train()
        train = [_step(model, optimiser, loss, batch) for batch in _batches(order[held_out:], random)]
        schedule.step()
        model.eval()
        with torch.no_grad():
            validation = [float(loss(batch)) for batch in _batches(order[:held_out], random)]
        curve.append((float(np.mean(train)), float(np.mean(validation))))
        bar.set_postfix(train=f"{curve[-1][0]:.2e}", validation=f"{curve[-1][1]:.2e}")
        state = {
            "model": model.state_dict(),
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
            "curve": curve,
        }
        with atomic_path(path) as part:
            torch.save(state, part)
    return curve


def _step(
    model: nn.Module, optimiser: torch.optim.Optimizer, loss: Callable[[Batch], torch.Tensor], batch: Batch
) -> float:
    """Change the model's weights by one batch; return its loss."""
    optimiser.zero_grad()
    value = loss(batch)
    value.backward()
    nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM)
    optimiser.step()
    return float(value.detach())


def _batches(ids: Batch, random: np.random.Generator) -> Iterator[Batch]:
    order = random.permutation(ids)
    for start in range(0, max(len(order) - 1, 1), BATCH):  # a single left-over sample would have no batch statistics
        yield order[start : start + BATCH]

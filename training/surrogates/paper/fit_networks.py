"""Train the paper's three autoencoders (eqs. 1 and 3); a killed run goes on from its last epoch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from models.types import Singles
from training.surrogates.paper.dataset import Dataset
from training.surrogates.paper.networks.internal_autoencoder import InternalStressAutoencoder
from training.surrogates.paper.networks.profile import Profile
from training.surrogates.paper.networks.shape_autoencoder import ShapeAutoencoder
from training.surrogates.paper.networks.surface_autoencoder import SurfaceStressAutoencoder

BATCH = 16
LEARNING_RATE = 3e-3
VALIDATION_SHARE = 0.1

Batch = NDArray[np.intp]


@dataclass
class Networks:
    """The three trained autoencoders and the normalisation of the stress.

    Attributes
    ----------
    low, high
        (c,) least and largest stress of the training set, MPa: normalised stress is (s - low) / (high - low).
    curves
        Network name to (epochs, 2) training and validation loss.
    shape_stride
        Every how many-th surface node enters PointNet.
    """

    shape: ShapeAutoencoder
    surface: SurfaceStressAutoencoder
    internal: InternalStressAutoencoder
    low: Singles
    high: Singles
    curves: dict[str, list[tuple[float, float]]]
    shape_stride: int

    def normalise(self, stress: Singles, axis: int) -> Singles:
        """Return `stress` in [0, 1]; components lie along `axis`."""
        shape = [1] * stress.ndim
        shape[axis] = -1
        return (stress - self.low.reshape(shape)) / (self.high - self.low).reshape(shape)


def fit_networks(data: Dataset, profile: Profile, work: Path) -> Networks:
    """Train all three on `data`; state and loss curves are kept in `work`.

    The stress losses are eq. 3 over the variance of each component: what share of the differences is not explained.

    A tenth of the samples, of the same people, is held out to draw the validation curve; nothing is chosen by it.
    """
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    low, high = data.extremes[..., 0].min(axis=0), data.extremes[..., 1].max(axis=0)
    scale = (high - low)[None, :, None]
    surface = (data.surface_stress - low[None, :, None]) / scale
    mean_stress = torch.from_numpy(surface.mean(axis=0))
    surface_spread = torch.from_numpy((surface - surface.mean(axis=0)).std(axis=(0, 2)))[:, None]
    internal = (data.internal_stress - low) / (high - low)
    internal_mean, internal_spread = (torch.from_numpy(f(internal, axis=(0, 1, 2))) for f in (np.mean, np.std))
    nets = Networks(
        ShapeAutoencoder(profile, torch.from_numpy(data.surface.mean(axis=0))),
        SurfaceStressAutoencoder(profile, mean_stress, surface_spread),
        InternalStressAutoencoder(profile, internal_mean, internal_spread),
        low,
        high,
        {},
        profile.shape_stride,
    )
    random = np.random.default_rng(0)

    def shape_loss(batch: Batch) -> torch.Tensor:
        points = torch.from_numpy(data.surface[batch])
        return (nets.shape(points[:, :: profile.shape_stride]) - points).square().sum(dim=2).mean()

    def surface_loss(batch: Batch) -> torch.Tensor:
        stress = torch.from_numpy(nets.normalise(data.surface_stress[batch], 1))
        return ((nets.surface(stress) - stress) / surface_spread).square().mean()

    def internal_loss(batch: Batch) -> torch.Tensor:
        seed = random.integers(data.internal.shape[1])
        points = torch.from_numpy(data.internal[batch, seed])
        stress = torch.from_numpy(nets.normalise(data.internal_stress[batch, seed], 2))
        return ((nets.internal(points, stress) - stress) / internal_spread).square().mean()

    steps: dict[str, tuple[nn.Module, Callable[[Batch], torch.Tensor]]] = {
        "shape": (nets.shape, shape_loss),
        "surface": (nets.surface, surface_loss),
        "internal": (nets.internal, internal_loss),
    }
    for name, (model, loss) in steps.items():
        epochs = profile.shape_epochs if name == "shape" else profile.epochs
        nets.curves[name] = _train(name, model, loss, len(data), epochs, work)
    (work / "curves.json").write_text(json.dumps(nets.curves))
    return nets


def _batches(ids: Batch, random: np.random.Generator) -> Iterator[Batch]:
    order = random.permutation(ids)
    for start in range(0, max(len(order) - 1, 1), BATCH):  # a single left-over sample would have no batch statistics
        yield order[start : start + BATCH]


def _train(
    name: str, model: nn.Module, loss: Callable[[Batch], torch.Tensor], count: int, epochs: int, work: Path
) -> list[tuple[float, float]]:
    """Run Adam with a cosine schedule; return (training, validation) loss by epoch."""
    path = work / f"{name}.pt"
    random = np.random.default_rng(1)
    order = random.permutation(count)
    held = max(1, int(VALIDATION_SHARE * count))
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
        train = []
        for batch in _batches(order[held:], random):
            optimiser.zero_grad()
            value = loss(batch)
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            train.append(float(value.detach()))
        schedule.step()
        model.eval()
        with torch.no_grad():
            validation = [float(loss(batch)) for batch in _batches(order[:held], random)]
        curve.append((float(np.mean(train)), float(np.mean(validation))))
        bar.set_postfix(train=f"{curve[-1][0]:.2e}", validation=f"{curve[-1][1]:.2e}")
        state = {
            "model": model.state_dict(),
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
            "curve": curve,
        }
        aside = path.with_suffix(".part")
        torch.save(state, aside)
        aside.rename(path)
    return curve

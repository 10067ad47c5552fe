"""Train the paper's three autoencoders on one data set (eqs. 1 and 3)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models.types import Singles
from training.surrogates.paper.autoencoder_training import Batch, train_autoencoder
from training.surrogates.paper.dataset import Dataset
from training.surrogates.paper.networks.internal_autoencoder import InternalStressAutoencoder
from training.surrogates.paper.networks.profile import Profile
from training.surrogates.paper.networks.shape_autoencoder import ShapeAutoencoder
from training.surrogates.paper.networks.surface_autoencoder import SurfaceStressAutoencoder


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

    The stress losses are eq. 3 over the variance of each component: the share of the differences between shapes that
    the network does not explain.

    A tenth of the samples, of the same people, is held out to draw the validation curve. Nothing is chosen by it.
    """
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    networks = _new_networks(data, profile)
    losses = _Losses(networks, data)
    steps: dict[str, tuple[nn.Module, Callable[[Batch], torch.Tensor], int]] = {
        "shape": (networks.shape, losses.shape, profile.shape_epochs),
        "surface": (networks.surface, losses.surface, profile.epochs),
        "internal": (networks.internal, losses.internal, profile.epochs),
    }
    for name, (model, loss, epochs) in steps.items():
        networks.curves[name] = train_autoencoder(name, model, loss, len(data), epochs, work)
    (work / "curves.json").write_text(json.dumps(networks.curves))
    return networks


def _new_networks(data: Dataset, profile: Profile) -> Networks:
    """Return untrained networks that know the mean of `data` and the spread of its stress."""
    low, high = data.extremes[..., 0].min(axis=0), data.extremes[..., 1].max(axis=0)
    scale = (high - low)[None, :, None]
    surface = (data.surface_stress - low[None, :, None]) / scale
    mean_stress = torch.from_numpy(surface.mean(axis=0))
    surface_spread = torch.from_numpy((surface - surface.mean(axis=0)).std(axis=(0, 2)))[:, None]
    internal = (data.internal_stress - low) / (high - low)
    internal_mean, internal_spread = (torch.from_numpy(f(internal, axis=(0, 1, 2))) for f in (np.mean, np.std))
    return Networks(
        ShapeAutoencoder(profile, torch.from_numpy(data.surface.mean(axis=0))),
        SurfaceStressAutoencoder(profile, mean_stress, surface_spread),
        InternalStressAutoencoder(profile, internal_mean, internal_spread),
        low,
        high,
        {},
        profile.shape_stride,
    )


class _Losses:
    """The losses of the three autoencoders on batches of a data set.

    Parameters
    ----------
    networks
        The autoencoders.
    data
        Whose samples the batches name.
    """

    def __init__(self, networks: Networks, data: Dataset) -> None:
        self.networks, self.data = networks, data
        self.random = np.random.default_rng(0)

    def shape(self, batch: Batch) -> torch.Tensor:
        """Return eq. 1: the mean squared distance of the nodes."""
        points = torch.from_numpy(self.data.surface[batch])
        decoded = self.networks.shape(points[:, :: self.networks.shape_stride])
        return (decoded - points).square().sum(dim=2).mean()

    def surface(self, batch: Batch) -> torch.Tensor:
        """Return eq. 3 of the surface stress, over its variance."""
        network = self.networks.surface
        stress = torch.from_numpy(self.networks.normalise(self.data.surface_stress[batch], 1))
        return ((network(stress) - stress) / network.encoder.spread).square().mean()

    def internal(self, batch: Batch) -> torch.Tensor:
        """Return eq. 3 of the internal stress, over its variance, on one of the farthest-point samples."""
        network = self.networks.internal
        seed = self.random.integers(self.data.internal.shape[1])
        points = torch.from_numpy(self.data.internal[batch, seed])
        stress = torch.from_numpy(self.networks.normalise(self.data.internal_stress[batch, seed], 2))
        return ((network(points, stress) - stress) / network.spread).square().mean()

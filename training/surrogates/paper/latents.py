"""Latent vectors: what the trained encoders make of a data set, for the mappings to learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.types import Singles
from training.surrogates.paper.dataset import Dataset
from training.surrogates.paper.fit_networks import Networks


@dataclass(frozen=True)
class Latents:
    """Latent vectors of a data set: shape (k, p), surface stress (k, q) and internal stress (k, q)."""

    shape: Singles
    surface: Singles
    internal: Singles
    people: NDArray[np.str_]


def encode_samples(networks: Networks, data: Dataset) -> Latents:
    """Return the latents of `data`; an internal latent is the mean over the farthest-point samples."""
    shape, surface, internal = [], [], []
    with torch.no_grad():
        for i in range(len(data)):
            one = data.subset(np.array([i]))
            shape.append(networks.shape.encoder(torch.from_numpy(one.surface[:, :: networks.shape_stride]))[0].numpy())
            stress = torch.from_numpy(networks.normalise(one.surface_stress, 1))
            surface.append(networks.surface.encoder(stress)[0].numpy())
            within = torch.from_numpy(networks.normalise(one.internal_stress[0], 2))
            internal.append(networks.internal.encode(torch.from_numpy(one.internal[0]), within).mean(dim=0).numpy())
    return Latents(np.stack(shape), np.stack(surface), np.stack(internal), data.people)

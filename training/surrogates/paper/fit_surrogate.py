"""The paper's chain from end to end: train the networks, take the latents, fit the mappings, export (section II.D)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.types import Singles
from training.bundle_writer import write_manifest
from training.files import save_npz
from training.surrogates.paper.dataset import Dataset
from training.surrogates.paper.export_artifacts import export_chain
from training.surrogates.paper.fit_networks import Networks, fit_networks
from training.surrogates.paper.mapping import BayesForest
from training.surrogates.paper.networks.profile import Profile


@dataclass(frozen=True)
class Latents:
    """Latent vectors of a data set: shape (k, p), surface stress (k, q) and internal stress (k, q)."""

    shape: Singles
    surface: Singles
    internal: Singles
    people: NDArray[np.str_]


def folds(people: NDArray[np.str_], count: int) -> list[tuple[str, ...]]:
    """Split the people into `count` groups of about equal numbers of samples; sorted, so always the same.

    With as many groups as people this is leave-one-person-out.
    """
    names, sizes = np.unique(people, return_counts=True)
    groups: list[list[str]] = [[] for _ in range(min(count, len(names)))]
    load = [0] * len(groups)
    for i in np.argsort(-sizes, kind="stable"):
        lightest = int(np.argmin(load))
        groups[lightest].append(str(names[i]))
        load[lightest] += int(sizes[i])
    return [tuple(sorted(group)) for group in groups]


def encode(networks: Networks, data: Dataset) -> Latents:
    """Return the latents; an internal latent is the mean over the farthest-point samples."""
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


def fit_chain(data: Dataset, profile: Profile, work: Path, trials: int = 15, held_out: tuple[str, ...] = ()) -> Latents:
    """Train everything on `data` and export it to ``work/bundle``; return the latents of `data`.

    Parameters
    ----------
    data
        Training samples.
    profile
        Widths of the networks.
    work
        Keeps the state of a run that was killed.
    trials
        Of the Bayesian optimisation of each forest.
    held_out
        People who are not in `data`; written into the manifest.
    """
    networks = fit_networks(data, profile, work)
    for network in (networks.shape, networks.surface, networks.internal):
        network.eval()
    latents = encode(networks, data)
    surface, internal = BayesForest(trials), BayesForest(trials)
    surface.fit(latents.shape, latents.surface, latents.people)
    internal.fit(latents.shape, latents.internal, latents.people)
    folder = work / "bundle"
    folder.mkdir(parents=True, exist_ok=True)
    export_chain(networks, surface, internal, folder)
    write_manifest(
        folder,
        people=sorted(set(map(str, data.people))),
        held_out=list(held_out),
        samples=len(data),
        forests={"surface": surface.best, "internal": internal.best},
    )
    save_npz(
        work / "latents.npz",
        shape=latents.shape,
        surface=latents.surface,
        internal=latents.internal,
        people=latents.people,
    )
    return latents

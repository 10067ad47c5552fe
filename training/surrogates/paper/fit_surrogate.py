"""The paper's surrogate from end to end: train the networks, fit the mappings, export both (section II.D)."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from models.bundle import Bundle
from training.artifacts.bundle_writer import write_manifest
from training.artifacts.files import save_npz
from training.surrogates.paper.dataset import Dataset, cached_dataset
from training.surrogates.paper.export_artifacts import export_surrogate
from training.surrogates.paper.fit_networks import fit_networks
from training.surrogates.paper.held_out import split_people
from training.surrogates.paper.latents import Latents, encode_samples
from training.surrogates.paper.mapping import BayesForest
from training.surrogates.paper.networks.profile import PROFILES, Profile
from training.surrogates.simulation.samples import read_samples

TRIALS = 15
"""Hyperparameter vectors that the Bayesian optimisation of each forest tries."""


def fit_folds(out: Path, work: Path, profile_name: str, count: int, only: Collection[str] | None = None) -> None:
    """Train the paper's surrogate once a fold of unseen people, then on everyone; kept in ``work/networks-PROFILE``.

    Parameters
    ----------
    out
        Folder of the bundle that holds the template.
    work
        Folder with the simulated samples.
    profile_name
        Key of `PROFILES`.
    count
        Number of folds.
    only
        Names of the folds to train, ``fold0`` ... ``all``; every fold if None or empty.
    """
    profile = PROFILES[profile_name]
    folder = work / f"networks-{profile_name}"
    folder.mkdir(parents=True, exist_ok=True)
    template = Bundle(out).template
    samples = read_samples(work / "samples")
    data = cached_dataset(folder / "dataset.npz", samples, template, profile.internal_points)
    for i, held_out in enumerate((*split_people(data.people, count), ())):
        name = f"fold{i}" if held_out else "all"
        if (only and name not in only) or (folder / name / "latents.npz").exists():
            continue
        chosen = data.subset(~np.isin(data.people, held_out))
        print(f"{name}: {len(chosen)} shapes, held out: {', '.join(held_out) or 'nobody'}")
        fit_surrogate(chosen, profile, folder / name, held_out=held_out)


def fit_surrogate(
    data: Dataset, profile: Profile, work: Path, trials: int = TRIALS, held_out: tuple[str, ...] = ()
) -> Latents:
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
    latents = encode_samples(networks, data)
    surface, internal = BayesForest(trials), BayesForest(trials)
    surface.fit(latents.shape, latents.surface, latents.people)
    internal.fit(latents.shape, latents.internal, latents.people)
    folder = work / "bundle"
    folder.mkdir(parents=True, exist_ok=True)
    export_surrogate(networks, surface, internal, folder)
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

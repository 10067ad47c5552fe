"""People held out: how they are grouped into folds, and the surrogates that were trained without them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.template import Template
from training.surrogates.paper.mapping import MAPPINGS, BayesForest, Mapping
from workers.surrogate.paper import PaperSurrogate


def split_people(people: NDArray[np.str_], count: int) -> list[tuple[str, ...]]:
    """Split the people into `count` groups of about equal numbers of samples; sorted, so always the same.

    With as many groups as people, each person is left out once.

    Parameters
    ----------
    people
        (k,) of each sample.
    count
        Number of groups; at most one a person.
    """
    names, sizes = np.unique(people, return_counts=True)
    groups: list[list[str]] = [[] for _ in range(min(count, len(names)))]
    load = [0] * len(groups)
    for i in np.argsort(-sizes, kind="stable"):
        lightest = int(np.argmin(load))
        groups[lightest].append(str(names[i]))
        load[lightest] += int(sizes[i])
    return [tuple(sorted(group)) for group in groups]


@dataclass
class Fold:
    """The paper's surrogate trained without some people, and the mappings that compete on its latents.

    Attributes
    ----------
    held_out
        People it was trained without; empty for the surrogate trained on everyone.
    surrogate
        As a worker loads it.
    competitors
        Mappings from the shape latent to the surface and to the internal stress latent, by name.
    """

    held_out: frozenset[str]
    surrogate: PaperSurrogate
    competitors: dict[str, tuple[Mapping, Mapping]]


def load_fold(work: Path, template: Template, competitors: bool) -> Fold:
    """Load the surrogate in `work`; with `competitors`, fit the other mappings on its training latents."""
    bundle = Bundle(work / "bundle")
    mappings = _fit_competitors(work / "latents.npz") if competitors else {}
    return Fold(frozenset(bundle.manifest["held_out"]), PaperSurrogate(bundle, template), mappings)


def _fit_competitors(path: Path) -> dict[str, tuple[Mapping, Mapping]]:
    with np.load(path) as stored:
        x, people = stored["shape"], stored["people"]
        targets = stored["surface"], stored["internal"]
    mappings: dict[str, tuple[Mapping, Mapping]] = {}
    for name, make in MAPPINGS.items():
        if make is BayesForest:
            continue  # the surrogate's own
        mappings[name] = (make(), make())
        for mapping, y in zip(mappings[name], targets, strict=True):
            mapping.fit(x, y, people)
    return mappings

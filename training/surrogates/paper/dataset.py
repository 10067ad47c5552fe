"""Simulated samples as arrays for the networks: shapes, stress components, farthest-point samples (section II.D.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import fpsample
import numpy as np
from numpy.typing import NDArray

from models.template import Template
from models.types import Bools, Reals, Singles
from training.artifacts.files import save_npz
from training.surrogates.simulation.samples import Sample
from workers.fem.stress import principal_stresses, von_mises
from workers.surrogate.paper import SIZE_MM

COMPONENTS = ("s1", "s2", "s3", "von_mises")
FPS_SEEDS = 5
"""Farthest-point samples of each shape, so that an epoch does not always show the same nodes."""
FPS_TREE_HEIGHT = 5
"""Height of the tree that fpsample sorts points into; it sets the speed alone."""


def stress_components(tensor: Reals) -> Singles:
    """Return s1, s2, s3 and von Mises (n, 4), MPa, of nodal tensors (n, 6)."""
    t = tensor.astype(np.float64)
    return np.column_stack([principal_stresses(t), von_mises(t)]).astype(np.float32)


@dataclass(frozen=True)
class Dataset:
    """What the networks are given of k samples; c = 4 components.

    Attributes
    ----------
    surface
        (k, n_s, 3) coordinates of the surface nodes over `SIZE_MM`.
    surface_stress
        (k, c, n_s) MPa.
    internal
        (k, seeds, p, 3) coordinates of farthest-point samples of the internal nodes, over `SIZE_MM`.
    internal_stress
        (k, seeds, p, c) MPa.
    extremes
        (k, c, 2) least and largest stress of each sample, MPa, over all its nodes.
    people, kinds, names
        (k,) of each sample.
    """

    surface: Singles
    surface_stress: Singles
    internal: Singles
    internal_stress: Singles
    extremes: Singles
    people: NDArray[np.str_]
    kinds: NDArray[np.str_]
    names: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.people)

    def subset(self, chosen: Bools | NDArray[np.intp]) -> Dataset:
        """Return the chosen samples."""
        return Dataset(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def farthest_point_samples(points: Singles, count: int, seeds: int = FPS_SEEDS) -> NDArray[np.intp]:
    """Return (seeds, count) ids of farthest-point samples of (n, 3) points, each from another random start."""
    starts = np.random.default_rng(0).integers(len(points), size=seeds)
    count = min(count, len(points))
    return np.stack(
        [fpsample.bucket_fps_kdline_sampling(points, count, h=FPS_TREE_HEIGHT, start_idx=int(s)) for s in starts]
    )


def build_dataset(samples: Iterable[Sample], template: Template, internal_points: int) -> Dataset:
    """Return the samples as one data set.

    Parameters
    ----------
    samples
        From `training.surrogates.simulation.samples.read_samples`.
    template
        Gives the number of surface nodes.
    internal_points
        Size p of a farthest-point sample.
    """
    n = template.n_surface
    surface, surface_stress, internal, internal_stress, extremes, people, kinds, names = ([] for _ in range(8))
    for sample in samples:
        stress, points = stress_components(sample.tensor), sample.points / np.float32(SIZE_MM)
        chosen = n + farthest_point_samples(points[n:], internal_points)
        surface.append(points[:n])
        surface_stress.append(stress[:n].T.copy())
        internal.append(points[chosen])
        internal_stress.append(stress[chosen])
        extremes.append(np.stack([stress.min(axis=0), stress.max(axis=0)], axis=1))
        people.append(sample.person)
        kinds.append(sample.kind)
        names.append(sample.name)
    singles = [np.stack(a).astype(np.float32) for a in (surface, surface_stress, internal, internal_stress, extremes)]
    return Dataset(singles[0], singles[1], singles[2], singles[3], singles[4], *map(np.array, (people, kinds, names)))


def cached_dataset(path: Path, samples: Iterable[Sample], template: Template, internal_points: int) -> Dataset:
    """Return the data set kept at `path` (npz), built first where there is none."""
    if not path.exists():
        data = build_dataset(samples, template, internal_points)
        save_npz(path, **{name: getattr(data, name) for name in data.__dataclass_fields__})
        return data
    with np.load(path, allow_pickle=False) as stored:
        return Dataset(*(stored[name] for name in Dataset.__dataclass_fields__))

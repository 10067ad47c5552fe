"""The mean field: the average stress at every node over the training shapes, the least that a surrogate must beat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from models.types import Singles
from training.surrogates.paper.dataset import stress_components
from training.surrogates.simulation.samples import Sample


@dataclass(frozen=True)
class FieldSum:
    """The sum of the stress of some samples.

    Attributes
    ----------
    total
        (n, 4) float32, MPa: s1, s2, s3 and von Mises.
    count
        Number of samples.
    """

    total: Singles
    count: int


def sum_fields(samples: Iterator[Sample]) -> dict[str, FieldSum]:
    """Return the sum of the samples' stress by person, so that any person can be left out of the mean."""
    sums: dict[str, FieldSum] = {}
    for sample in tqdm(samples, desc="mean field"):
        before = sums.get(sample.person, FieldSum(np.zeros(1, np.float32), 0))
        sums[sample.person] = FieldSum(before.total + stress_components(sample.tensor), before.count + 1)
    return sums


def mean_field(sums: dict[str, FieldSum], without: str) -> Singles:
    """Return the mean field (n, 4), MPa, of the samples of everyone but the person `without`."""
    others = [value for person, value in sums.items() if person != without]
    total: Singles = np.sum([value.total for value in others], axis=0)
    return total / np.float32(sum(value.count for value in others))

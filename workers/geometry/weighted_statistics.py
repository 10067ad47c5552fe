"""Percentiles of a weighted sample, such as a nodal field weighted by the volume of each node."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.types import Floats


def weighted_percentiles(values: Floats, weights: Floats, percentiles: Sequence[float]) -> Floats:
    """Return percentiles of a weighted sample.

    Each value stands at the middle of its share of the total weight. Between values the distribution is linear. This is
    Hazen's plotting position (``method="hazen"`` of `numpy.percentile`), carried over to weights.

    Parameters
    ----------
    values, weights
        (k,) float64; weights are not negative and not all zero.
    percentiles
        (p,) numbers in 0..100.

    Returns
    -------
    (p,) float64, the unit of `values`.
    """
    order = np.argsort(values, kind="stable")
    sorted_weights = weights[order]
    middle = np.cumsum(sorted_weights) - sorted_weights / 2.0
    positions = 100.0 * middle / sorted_weights.sum()
    return np.interp(percentiles, positions, values[order])

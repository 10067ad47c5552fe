"""Farthest-point sampling: points spread evenly over a cloud."""

from __future__ import annotations

import numpy as np

from models.types import Floats, Integers


def farthest_points(points: Floats, n: int) -> Integers:
    """Return the ids (n,) of `n` of the points (p, 3): the first, then always the one farthest from those chosen.

    Returns p ids where p < `n`.
    """
    n = min(n, len(points))
    x, y, z = np.ascontiguousarray(points.T)
    chosen = np.zeros(n, np.intp)
    squared = np.full(len(points), np.inf)
    for i in range(1, n):
        last = chosen[i - 1]
        np.minimum(squared, (x - x[last]) ** 2 + (y - y[last]) ** 2 + (z - z[last]) ** 2, out=squared)
        chosen[i] = squared.argmax()
    return chosen

"""Laplacian smoothing of a nodal field with the surface nodes held fixed (paper section II.E, eqs. 4 and 5)."""

from __future__ import annotations

import numba as nb
import numpy as np
from scipy.spatial import cKDTree

from models.compiled import compiled
from models.types import Ints, Reals, Singles

N_NEAREST = 10
"""Neighbours a node, K of eq. 4."""
N_ITERATIONS = 50
"""Iterations of eq. 5."""


def nearest_neighbours(points: Reals, n_surface: int, k: int = N_NEAREST) -> Ints:
    """Return the ids (m, k) int32 of the `k` nodes nearest to each of the m internal nodes, itself left out.

    Parameters
    ----------
    points
        (n, 3) mm, surface nodes first.
    n_surface
        Number of surface nodes; m = n - n_surface.
    k
        Neighbours a node.
    """
    found = np.asarray(cKDTree(points).query(points[n_surface:], k + 1, workers=-1)[1])
    return np.ascontiguousarray(found[:, 1:].astype(np.int32))


@compiled("(f4[:,::1], i4[:,::1], i8)", fastmath=True)
def _weights(points, neighbours, n_surface):  # type: ignore[no-untyped-def]
    """Weights (m, k) of eq. 4, each row of sum 1; sigma is the mean distance of a node from its neighbours."""
    m, k = neighbours.shape
    weights = np.empty((m, k), np.float32)
    for i in nb.prange(m):
        x = points[n_surface + i]
        total = 0.0
        for j in range(k):
            y = points[neighbours[i, j]]
            weights[i, j] = (x[0] - y[0]) ** 2 + (x[1] - y[1]) ** 2 + (x[2] - y[2]) ** 2
            total += np.sqrt(weights[i, j])
        sigma = total / k
        total = 0.0
        for j in range(k):
            weights[i, j] = np.exp(-weights[i, j] / (2.0 * sigma * sigma))
            total += weights[i, j]
        for j in range(k):
            weights[i, j] /= total
    return weights


@compiled("(f4[:,::1], f4[:,::1], i4[:,::1], i8, i8)", fastmath=True)
def _iterate(values, weights, neighbours, n_surface, iterations):  # type: ignore[no-untyped-def]
    """Replace each internal node's values by the weighted mean over its neighbours, `iterations` times (eq. 5)."""
    old, new = values.copy(), values.copy()
    m, k = neighbours.shape
    for _ in range(iterations):
        for i in nb.prange(m):
            for c in range(values.shape[1]):
                total = np.float32(0.0)
                for j in range(k):
                    total += weights[i, j] * old[neighbours[i, j], c]
                new[n_surface + i, c] = total
        old, new = new, old
    return old


def smooth(values: Reals, points: Reals, neighbours: Ints, iterations: int = N_ITERATIONS) -> Singles:
    """Return the smoothed field (n, c) float32; surface nodes keep their values.

    Parameters
    ----------
    values
        (n, c) nodal values, any unit.
    points
        (n, 3) mm, surface nodes first.
    neighbours
        (m, k) int32 from `nearest_neighbours`. The template's neighbours serve every subject; the subject's own
        distances give the weights.
    iterations
        Number of iterations of eq. 5.
    """
    n_surface = len(points) - len(neighbours)
    weights = _weights(np.asarray(points, np.float32), neighbours, n_surface)
    out: Singles = _iterate(np.asarray(values, np.float32), weights, neighbours, n_surface, iterations)
    return out

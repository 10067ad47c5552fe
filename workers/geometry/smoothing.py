"""Surface-constrained Laplacian smoothing of a nodal field (paper section II.E, eqs. 4 and 5)."""

from __future__ import annotations

import numba as nb
import numpy as np
from scipy.spatial import cKDTree

from models.types import Ints, Reals, Singles

NEIGHBOURS, ITERATIONS = 10, 50


def nearest_neighbours(points: Reals, n_surface: int, k: int = NEIGHBOURS) -> Ints:
    """Return (m, k) int32: the k nodes nearest to each internal node, itself not among them.

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


@nb.njit(parallel=True, fastmath=True, cache=True)
def _weights(points, neighbours, n_surface):  # type: ignore[no-untyped-def]
    """Weights of eq. 4, normalised; sigma is the mean distance of the node's own neighbourhood."""
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


@nb.njit(parallel=True, fastmath=True, cache=True)
def _iterate(values, weights, neighbours, n_surface, iterations):  # type: ignore[no-untyped-def]
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


def smooth(values: Reals, points: Reals, neighbours: Ints, iterations: int = ITERATIONS) -> Singles:
    """Return the smoothed field (n, c) float32; surface nodes keep their values.

    Parameters
    ----------
    values
        (n, c) nodal values, any unit.
    points
        (n, 3) mm, surface nodes first.
    neighbours
        From `nearest_neighbours`; those of the template serve every subject, whose distances give the weights.
    iterations
        Of eq. 5.
    """
    n_surface = len(points) - len(neighbours)
    weights = _weights(np.asarray(points, np.float32), neighbours, n_surface)
    out: Singles = _iterate(np.asarray(values, np.float32), weights, neighbours, n_surface, iterations)
    return out

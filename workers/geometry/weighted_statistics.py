"""Statistics of a nodal field over a tetrahedral mesh, weighted by volume so that mesh density does not matter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.types import Floats, Ints


def tet_volumes(points: Floats, tets: Ints) -> Floats:
    """Return the signed volumes (m,) float64, mm^3, of tetrahedra (m, 4) on points (n, 3) in mm."""
    a, b, c, d = (points[tets[:, k]] for k in range(4))
    volumes: Floats = np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) / 6.0
    return volumes


def nodal_volumes(points: Floats, tets: Ints) -> Floats:
    """Return the lumped volume of each node, (n,) float64, mm^3: a quarter of every tetrahedron around it."""
    quarter = np.repeat(np.abs(tet_volumes(points, tets)) / 4.0, 4)
    return np.bincount(tets.ravel(), quarter, minlength=len(points)).astype(np.float64)


def weighted_percentiles(values: Floats, weights: Floats, percentiles: Sequence[float]) -> Floats:
    """Return percentiles of a weighted sample.

    Each value stands at the middle of its share of the total weight and the distribution is linear in between (Hazen's
    plotting position, ``method="hazen"`` of numpy.percentile, carried over to weights).

    Parameters
    ----------
    values, weights
        (k,) float64; weights are not negative and not all zero.
    percentiles
        In 0..100.
    """
    order = np.argsort(values, kind="stable")
    sorted_weights = weights[order]
    middle = np.cumsum(sorted_weights) - sorted_weights / 2.0
    positions = 100.0 * middle / sorted_weights.sum()
    return np.interp(percentiles, positions, values[order])


def min_dihedral_degrees(points: Floats, tets: Ints) -> float:
    """Return the smallest dihedral angle of all tetrahedra, degrees (70.5 for a regular one)."""
    corner = points[tets]
    faces = ((1, 2, 3), (0, 3, 2), (0, 1, 3), (0, 2, 1))
    normals = []
    for i, j, k in faces:
        normal = np.cross(corner[:, j] - corner[:, i], corner[:, k] - corner[:, i])
        normals.append(normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300))
    sharpest = max(float(-np.einsum("ij,ij->i", normals[i], normals[j]).min()) for i in range(4) for j in range(i))
    return float(np.degrees(np.arccos(np.clip(sharpest, -1.0, 1.0))))

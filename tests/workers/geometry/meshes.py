"""Meshes of cubes."""

from __future__ import annotations

import numpy as np

SIX_TETS = [(0, 4, 6, 7), (0, 6, 2, 7), (0, 2, 3, 7), (0, 3, 1, 7), (0, 1, 5, 7), (0, 5, 4, 7)]


def grid(cells):
    """A cube of `cells`^3 cells of 1 mm, six tetrahedra each."""
    points = np.argwhere(np.ones((cells + 1,) * 3)).astype(float)
    ids = np.arange(len(points)).reshape((cells + 1,) * 3)
    corners = [ids[i : i - 1 or None, j : j - 1 or None, k : k - 1 or None] for i, j, k in np.ndindex(2, 2, 2)]
    corner = np.stack(corners, -1).reshape(-1, 8)
    return points, np.concatenate([corner[:, list(t)] for t in SIX_TETS]).astype(np.int32)

"""Move a segmented surface to the edges of the CT: to a fraction of a voxel, along the normals, smoothly.

The segmenter knows what is bone of which vertebra; where exactly the bone ends the CT itself says better. Each vertex
looks for the fall of HU along its normal, near ones first, and neighbours agree on the way (a robust, local form of the
profile search of active shape models; Cootes et al., Comput Vis Image Underst 61(1), 1995).
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from models.types import Floats
from workers.geometry.surface import Surface
from workers.imaging.point_samples import sample_points
from workers.imaging.volume import Volume

REACH_MM, STEP_MM = 4.0, 0.5
"""How far along the normal the CT is read, and how often."""
PRIOR_MM = 0.7
"""Standard deviation of the segmenter's surface about the edge, as on people held out (0.6 mm on average)."""
LEAST_FALL = 10.0
"""HU a mm: a slower fall is no edge but noise or a gradient within soft tissue."""
SURE_FALL = 150.0
"""Sum of weighted falls, HU a mm, at which a vertex counts half as much as one with a very sharp edge."""
LEAST_TRUST = 1e-3
"""Keeps the division finite where the CT shows no edge at all."""
ROUNDS = 20
"""Rounds in which each vertex takes the mean of itself and its neighbours."""


def fit_to_edges(surface: Surface, ct: Volume) -> Surface:
    """Return the surface moved to the nearby edges of the CT.

    Parameters
    ----------
    surface
        Closed surface of a segmentation of the CT, mm, world RAS+, oriented outward.
    ct
        HU.
    """
    offsets = np.arange(-REACH_MM, REACH_MM + STEP_MM / 2, STEP_MM)
    normals = surface.normals
    profile = np.stack([sample_points(ct, surface.vertices + mm * normals, None) for mm in offsets], axis=1)
    fall = (profile[:, :-2] - profile[:, 2:]) / (2.0 * STEP_MM)
    weight = np.exp(-np.square(offsets[1:-1]) / (2.0 * PRIOR_MM**2)) * np.maximum(fall - LEAST_FALL, 0.0)
    total = weight.sum(axis=1)
    move = weight @ offsets[1:-1] / np.maximum(total, np.finfo(float).tiny)
    trust = total / (total + SURE_FALL)
    smooth = _smooth(surface, np.column_stack([move * trust, trust]))
    distance = smooth[:, 0] / np.maximum(smooth[:, 1], LEAST_TRUST)
    return Surface(surface.vertices + distance[:, None] * normals, surface.triangles)


def _smooth(surface: Surface, values: Floats) -> Floats:
    """Return values (n, k) of the vertices, averaged over their neighbours `ROUNDS` times."""
    edges = np.concatenate([surface.triangles[:, [0, 1]], surface.triangles[:, [1, 2]], surface.triangles[:, [2, 0]]])
    n = len(surface.vertices)
    one_way = sp.coo_matrix((np.ones(len(edges)), edges.T), shape=(n, n)).tocsr()
    neighbours = ((one_way + one_way.T) > 0).astype(np.float64)
    count = np.asarray(neighbours.sum(axis=1))
    for _ in range(ROUNDS):
        values = 0.5 * values + 0.5 * (neighbours @ values) / np.maximum(count, 1.0)
    return values

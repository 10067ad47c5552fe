"""The mid-sagittal cut through a vertebra: the same anatomical places in every subject."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.template import REGIONS, Template
from models.types import Floats, Ints

OTHERS = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
"""The corners of a tetrahedron beside each one."""
HALVES = ((0, 1, 2), (0, 2, 3))
"""The two triangles of a quadrangle."""


@dataclass(frozen=True)
class SagittalCut:
    """Triangles whose corners lie on edges of the mesh.

    Attributes
    ----------
    ends
        (t, 3, 2) int32: the two nodes of the edge of each corner.
    shares
        (t, 3) float64: how far along the edge the corner lies, 0 to 1.
    """

    ends: Ints
    shares: Floats

    @classmethod
    def of(cls, template: Template) -> SagittalCut:
        """Cut the template in the middle of its body; node i is the same anatomical place in every subject."""
        x = template.nodes[:, 0]
        body = x[template.region == REGIONS.index("body")]
        beyond = x - (body.min() + body.max()) / 2.0
        side = beyond[template.tets] > 0.0
        count = side.sum(axis=1)
        ends = np.concatenate([_lone(template.tets, side, count), _pairs(template.tets, side, count)]).astype(np.int32)
        first, second = beyond[ends[..., 0]], beyond[ends[..., 1]]
        return cls(ends, first / (first - second))

    def at_corners(self, nodal: Floats) -> Floats:
        """Return values (3 t,) or (3 t, k) at the corners, triangle after triangle, of nodal values (n,) or (n, k)."""
        share = self.shares.ravel().reshape(-1, *[1] * (nodal.ndim - 1))
        first, second = self.ends.reshape(-1, 2).T
        return np.asarray((1.0 - share) * nodal[first] + share * nodal[second])


def _lone(tets: Ints, side: np.ndarray, count: np.ndarray) -> Ints:
    """Return the edges (t, 3, 2) that are cut where one corner lies alone on its side."""
    chosen = (count == 1) | (count == 3)
    alone = np.where((count == 1)[:, None], side, ~side)[chosen].argmax(axis=1)
    rows = np.arange(len(alone))
    lone, others = tets[chosen][rows, alone], tets[chosen][rows[:, None], OTHERS[alone]]
    return np.stack([np.broadcast_to(lone[:, None], others.shape), others], axis=-1)


def _pairs(tets: Ints, side: np.ndarray, count: np.ndarray) -> Ints:
    """Return the same where two corners lie on each side: a quadrangle, as two triangles."""
    chosen = count == 2
    low, high = np.split(np.take_along_axis(tets[chosen], np.argsort(side[chosen], axis=1, kind="stable"), 1), 2, 1)
    corners = [(0, 0), (0, 1), (1, 1), (1, 0)]
    around = np.stack([np.stack([low[:, i], high[:, j]], axis=-1) for i, j in corners], axis=1)
    return np.concatenate([around[:, list(half)] for half in HALVES])

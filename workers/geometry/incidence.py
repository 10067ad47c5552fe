"""Which tetrahedra surround each node of a mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Integers, Ints


@dataclass(frozen=True)
class Incidence:
    """Tetrahedra around each node, in compressed rows: those of node i are ``tets[start[i]:start[i + 1]]``.

    Attributes
    ----------
    start
        (n + 1,) int64, start of each node's row.
    tets
        (4 m,) int32, ids of tetrahedra, row after row, ascending in a row.
    """

    start: Integers
    tets: Ints

    @classmethod
    def of(cls, tets: Ints, n_nodes: int) -> Incidence:
        """Build from the connectivity `tets` (m, 4) of a mesh of `n_nodes` nodes."""
        order = np.argsort(tets.ravel(), kind="stable")
        counts = np.bincount(tets.ravel(), minlength=n_nodes)
        return cls(np.concatenate([[0], np.cumsum(counts)]), (order // 4).astype(np.int32))

    def around(self, nodes: Integers) -> Ints:
        """Return the ids (k,) int32, ascending, of the tetrahedra that have a corner among `nodes` (j,)."""
        first, count = self.start[nodes], self.start[nodes + 1] - self.start[nodes]
        before = np.cumsum(count) - count
        met = np.zeros(len(self.tets) // 4, np.bool_)
        met[self.tets[np.repeat(first - before, count) + np.arange(count.sum())]] = True
        return np.flatnonzero(met).astype(np.int32)

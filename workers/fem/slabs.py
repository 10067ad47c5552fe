"""An order of the nodes of a mesh in which half of the rows can be swept in parallel, and then the other half.

Nodes are sorted by their distance along edges from one end of the mesh. Nodes at one distance are a level; an edge
joins nodes of one level or of adjacent ones. Two or more consecutive levels make a slab. So an edge never reaches
beyond the next slab, no two slabs of even number touch, and no node has neighbours in two other slabs. All even slabs
come first in the order, then all odd ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.compiled import compiled
from models.types import Ints

N_SLABS = 16
"""Eight slabs are swept at a time, so up to eight threads have work."""
LEVELS = 2
"""Fewest levels of a slab between two others: no node then has neighbours in both."""


@dataclass(frozen=True)
class SlabOrder:
    """The order and its slabs.

    Attributes
    ----------
    nodes
        (n,) int32: ids of the nodes in the new order.
    rank
        (n,) int32: place of each node in it.
    bounds
        (slabs + 1,) uint32: the rows of slab k, in the new order, are ``bounds[k]:bounds[k + 1]``.
    n_even
        The first so many slabs do not touch each other, and neither do the others.
    """

    nodes: Ints
    rank: Ints
    bounds: np.ndarray[tuple[int], np.dtype[np.uint32]]
    n_even: int

    @property
    def halves(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Slabs that do not touch each other: from which to which, twice."""
        return (0, self.n_even), (self.n_even, len(self.bounds) - 1)

    @classmethod
    def of(cls, indptr: Ints, indices: Ints) -> SlabOrder:
        """Order the nodes of a graph in compressed rows, int32."""
        end = int(_levels(indptr, indices, 0)[0][-1])
        order, starts = _levels(indptr, indices, end)
        wanted = np.searchsorted(starts, np.linspace(0, len(order), N_SLABS + 1)[:-1]) // LEVELS * LEVELS
        cuts = starts[np.unique([*wanted, len(starts) - 1])]
        slabs = [order[a:b] for a, b in pairwise(cuts)]
        slabs = slabs[::2] + slabs[1::2]
        nodes = np.concatenate(slabs).astype(np.int32)
        rank = np.empty_like(nodes)
        rank[nodes] = np.arange(len(nodes), dtype=np.int32)
        bounds = np.cumsum([0, *(len(slab) for slab in slabs)]).astype(np.uint32)
        return cls(nodes, rank, bounds, (len(slabs) + 1) // 2)


@compiled("(i4[::1], i4[::1], i8)", parallel=False)
def _levels(indptr, indices, first):  # type: ignore[no-untyped-def]
    """Search breadth first from a node; return the nodes in the order found, and where each level starts, and n.

    Where a component is exhausted, the search goes on with another one as a new level.
    """
    n = len(indptr) - 1
    order, starts = np.empty(n, np.int32), np.empty(n + 1, np.int64)
    seen = np.zeros(n, np.bool_)
    found, begin, n_levels, unseen = 0, 0, 0, 0
    while found < n:
        if begin == found:  # the first level of a component
            root = first if found == 0 else unseen
            while seen[root]:
                unseen += 1
                root = unseen
            order[found], seen[root] = root, True
            found += 1
        starts[n_levels] = begin
        n_levels += 1
        last = found
        for i in range(begin, last):
            for k in range(indptr[order[i]], indptr[order[i] + 1]):
                j = indices[k]
                if not seen[j]:
                    order[found], seen[j] = j, True
                    found += 1
        begin = last
    if begin < n:
        starts[n_levels] = begin
        n_levels += 1
    starts[n_levels] = n
    return order, starts[: n_levels + 1]

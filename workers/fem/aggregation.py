"""Aggregation of the nodes of a graph: the coarse nodes of an algebraic multigrid level."""

from __future__ import annotations

import numpy as np

from models.compiled import compiled


@compiled("(i4[::1], i4[::1], b1[::1])", parallel=False)
def aggregate_nodes(indptr, indices, free):  # type: ignore[no-untyped-def]
    """Return the aggregate (n,) int32 of each node, -1 for nodes that are not free.

    Greedy, in three passes (Vaněk, Mandel & Brezina, Computing 56, 1996). A node whose neighbours are all unassigned
    forms an aggregate with them. The nodes left join the aggregate of a neighbour. What is left then forms aggregates
    with its unassigned neighbours.

    Parameters
    ----------
    indptr, indices
        Node graph in compressed rows, int32, diagonal included.
    free
        (n,) bool.
    """
    n = len(indptr) - 1
    aggregate = np.full(n, -1, np.int32)
    count = 0
    for i in range(n):
        if not free[i] or aggregate[i] >= 0:
            continue
        clear = True
        for k in range(indptr[i], indptr[i + 1]):
            if aggregate[indices[k]] >= 0:
                clear = False
                break
        if clear:
            for k in range(indptr[i], indptr[i + 1]):
                if free[indices[k]]:
                    aggregate[indices[k]] = count
            count += 1
    joined = aggregate.copy()
    for i in range(n):
        if free[i] and aggregate[i] < 0:
            for k in range(indptr[i], indptr[i + 1]):
                if aggregate[indices[k]] >= 0:
                    joined[i] = aggregate[indices[k]]
                    break
    for i in range(n):
        if free[i] and joined[i] < 0:
            for k in range(indptr[i], indptr[i + 1]):
                j = indices[k]
                if free[j] and joined[j] < 0:
                    joined[j] = count
            joined[i] = count
            count += 1
    return joined

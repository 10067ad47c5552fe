"""Aggregates and sparsity patterns of the multigrid levels: all that follows from the connectivity alone."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
import scipy.sparse

from models.types import Bools, Ints

COARSEST_NODES = 400
"""Suits a mesh of 120 k nodes."""


@dataclass(frozen=True)
class CoarseningStep:
    """One coarsening step: patterns of P, of A P, of P' and of the coarse matrix (compressed rows, sorted columns)."""

    aggregate: Ints
    p: tuple[Ints, Ints]
    ap: tuple[Ints, Ints]
    pt: tuple[Ints, Ints, Ints]
    coarse: tuple[Ints, Ints]
    members: tuple[Ints, Ints]


class Hierarchy:
    """Aggregates and sparsity patterns of every level, from the node graph of a mesh.

    Parameters
    ----------
    indptr, indices
        Node graph in compressed rows, diagonal included.
    fixed
        (n,) bool: clamped nodes; they belong to no aggregate.
    coarsest
        A level of at most this many nodes is solved directly.
    """

    def __init__(self, indptr: Ints, indices: Ints, fixed: Bools, coarsest: int = COARSEST_NODES) -> None:
        self.indptr, self.indices, self.fixed = indptr, indices, fixed
        self.steps: list[CoarseningStep] = []
        free = ~fixed
        while len(indptr) - 1 > coarsest:
            step = _coarsen(indptr, indices, free)
            if len(step.coarse[0]) >= len(indptr):
                break
            self.steps.append(step)
            indptr, indices = step.coarse
            free = np.ones(len(indptr) - 1, np.bool_)


def _coarsen(indptr: Ints, indices: Ints, free: Bools) -> CoarseningStep:
    n = len(indptr) - 1
    aggregate = _aggregate(indptr, indices, free)
    n_coarse = int(aggregate.max()) + 1
    graph = scipy.sparse.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=(n, n))
    inside = np.flatnonzero(aggregate >= 0)
    tentative = scipy.sparse.csr_array(
        (np.ones(len(inside), np.float32), (inside, aggregate[inside])), shape=(n, n_coarse)
    )
    p = graph @ tentative
    p = scipy.sparse.csr_array(scipy.sparse.diags_array(free.astype(np.float32)) @ p)
    p.eliminate_zeros()
    ap = scipy.sparse.csr_array(graph @ p)
    coarse = scipy.sparse.csr_array(p.T @ ap)
    for matrix in (p, ap, coarse):
        matrix.sort_indices()
    numbered = scipy.sparse.csr_array((np.arange(1, p.nnz + 1), p.indices, p.indptr), shape=p.shape).T.tocsr()
    members = scipy.sparse.csr_array(tentative.T.tocsr())
    return CoarseningStep(
        aggregate,
        (p.indptr.astype(np.int32), p.indices.astype(np.int32)),
        (ap.indptr.astype(np.int32), ap.indices.astype(np.int32)),
        (numbered.indptr.astype(np.int32), numbered.indices.astype(np.int32), (numbered.data - 1).astype(np.int32)),
        (coarse.indptr.astype(np.int32), coarse.indices.astype(np.int32)),
        (members.indptr.astype(np.int32), members.indices.astype(np.int32)),
    )


@nb.njit(cache=True)
def _aggregate(indptr, indices, free):  # type: ignore[no-untyped-def]
    """Greedy aggregation: free neighbourhoods first, then stragglers join a neighbour, then leftovers group."""
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

"""Sparsity patterns of the multigrid levels: all that follows from the connectivity alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from models.types import Bools, Ints
from workers.fem.aggregation import aggregate_nodes

MAX_DIRECT_NODES = 400
"""A level of at most this many nodes is solved directly. The template of 120,913 nodes has levels of 5,652 and 99."""


class Rows(NamedTuple):
    """Pattern of a sparse matrix in compressed rows, int32, columns sorted."""

    indptr: Ints
    indices: Ints


class TransposedRows(NamedTuple):
    """Rows of a transposed matrix, and at which entry of the original each of its entries stands; int32."""

    indptr: Ints
    indices: Ints
    entries: Ints


@dataclass(frozen=True)
class CoarseningStep:
    """From one level to the next coarser one. A is the level's matrix, P its smoothed prolongator.

    Attributes
    ----------
    aggregate
        (n,) int32: aggregate of each node, which is its coarse node; -1 at Dirichlet nodes.
    members
        Nodes of each aggregate.
    prolongator
        Pattern of P.
    half_product
        Pattern of T P, where T is the lower triangle of A with half of its diagonal: A = T + T'.
    restriction
        Pattern of P', with the entries of P.
    coarse
        Pattern of the Galerkin product P' A P, the matrix of the next level.
    transposed
        Where the transposed block of each of its blocks stands, int32.
    """

    aggregate: Ints
    members: Rows
    prolongator: Rows
    half_product: Rows
    restriction: TransposedRows
    coarse: Rows
    transposed: Ints


class Hierarchy:
    """The coarsening steps of every level, from the node graph of a mesh.

    Parameters
    ----------
    indptr, indices
        Node graph in compressed rows, int32, diagonal included.
    fixed
        (n,) bool: Dirichlet nodes; they belong to no aggregate.
    max_direct_nodes
        Coarsening stops at a level of at most this many nodes, which is solved directly.
    neighbours
        Graph whose nodes are aggregated on the finest level, where that is sparser than the matrix.
    """

    def __init__(
        self,
        indptr: Ints,
        indices: Ints,
        fixed: Bools,
        max_direct_nodes: int = MAX_DIRECT_NODES,
        neighbours: Rows | None = None,
    ) -> None:
        self.indptr, self.indices, self.fixed = indptr, indices, fixed
        self.steps: list[CoarseningStep] = []
        free = ~fixed
        while len(indptr) - 1 > max_direct_nodes:
            step = _coarsen(indptr, indices, free, neighbours or Rows(indptr, indices))
            if len(step.coarse.indptr) >= len(indptr):
                break
            self.steps.append(step)
            indptr, indices = step.coarse
            free, neighbours = np.ones(len(indptr) - 1, np.bool_), None


def _coarsen(indptr: Ints, indices: Ints, free: Bools, neighbours: Rows) -> CoarseningStep:
    """Return the step from the level with this node graph. Only the patterns of the products below are of use.

    P is smoothed once, so a row of P has the aggregates of the node and of its neighbours.
    """
    n = len(indptr) - 1
    aggregate = aggregate_nodes(*neighbours, free)
    n_coarse = int(aggregate.max()) + 1
    graph = scipy.sparse.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=(n, n))
    inside = np.flatnonzero(aggregate >= 0)
    tentative = scipy.sparse.csr_array(
        (np.ones(len(inside), np.float32), (inside, aggregate[inside])), shape=(n, n_coarse)
    )
    p = graph @ tentative
    p = scipy.sparse.csr_array(scipy.sparse.diags_array(free.astype(np.float32)) @ p)
    p.eliminate_zeros()
    half_product = scipy.sparse.csr_array(scipy.sparse.tril(graph) @ p)
    half = p.T @ half_product
    coarse = scipy.sparse.csr_array(half + half.T)
    for matrix in (p, half_product, coarse):
        matrix.sort_indices()
    return CoarseningStep(
        aggregate=aggregate,
        members=pattern_of(scipy.sparse.csr_array(tentative.T.tocsr())),
        prolongator=pattern_of(p),
        half_product=pattern_of(half_product),
        restriction=transpose(p),
        coarse=pattern_of(coarse),
        transposed=transpose(coarse).entries,
    )


def pattern_of(matrix: Any) -> Rows:
    """Return the pattern of a `scipy.sparse.csr_array`."""
    return Rows(matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32))


def transpose(matrix: Any) -> TransposedRows:
    """Return the rows of the transposed matrix. Entries are numbered from 1 on the way, since SciPy may drop a 0."""
    numbered = scipy.sparse.csr_array((np.arange(1, matrix.nnz + 1), matrix.indices, matrix.indptr), shape=matrix.shape)
    turned = numbered.T.tocsr()
    return TransposedRows(*pattern_of(turned), (turned.data - 1).astype(np.int32))

"""Sparsity pattern of the stiffness matrix of a tetrahedral mesh.

The pattern depends on the connectivity alone, so it is made once for a template.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
import scipy.sparse

from models.compiled import compiled
from models.types import Ints
from workers.geometry.incidence import Incidence


@dataclass(frozen=True)
class SparsityPattern:
    """Sparsity of a stiffness matrix of 3x3 blocks, and where the blocks of each element go.

    Attributes
    ----------
    tets
        (m, 4) int32, connectivity.
    incidence
        Elements around each node.
    indptr, indices
        (n + 1,) and (nnz,) int32: compressed rows of the node graph, diagonal included, columns sorted.
    slots
        (m, 4, 4) int32: position in `indices` of the block that couples corners a and b of an element.
    """

    tets: Ints
    incidence: Incidence
    indptr: Ints
    indices: Ints
    slots: Ints

    @property
    def n_nodes(self) -> int:
        """Number of nodes n."""
        return len(self.indptr) - 1

    @classmethod
    def of(cls, tets: Ints, n_nodes: int) -> SparsityPattern:
        """Build the pattern of a mesh with connectivity `tets` (m, 4)."""
        tets = np.ascontiguousarray(tets, np.int32)
        corner = np.arange(4)
        rows = np.repeat(tets, 4, axis=1).ravel()
        columns = tets[:, np.tile(corner, 4)].ravel()
        ones: Any = np.ones(len(rows), np.int8)
        graph: Any = scipy.sparse.csr_array((ones, (rows, columns)), shape=(n_nodes, n_nodes))
        graph.sum_duplicates()
        graph.sort_indices()
        indptr, indices = graph.indptr.astype(np.int32), graph.indices.astype(np.int32)
        return cls(tets, Incidence.of(tets, n_nodes), indptr, indices, _find_slots(tets, indptr, indices))


@compiled("(i4[:,::1], i4[::1], i4[::1])")
def _find_slots(tets, indptr, indices):  # type: ignore[no-untyped-def]
    """Position (m, 4, 4) in `indices` of the block of every pair of corners, by bisection in the row."""
    slots = np.empty((tets.shape[0], 4, 4), np.int32)
    for t in nb.prange(tets.shape[0]):
        for a in range(4):
            low, high = indptr[tets[t, a]], indptr[tets[t, a] + 1]
            for b in range(4):
                slots[t, a, b] = low + np.searchsorted(indices[low:high], tets[t, b])
    return slots

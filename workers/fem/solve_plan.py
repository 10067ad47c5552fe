"""The symbolic part of a solve: all that depends on the connectivity and the Dirichlet nodes alone."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from models.types import Floats, Ints
from workers.fem.hierarchy import MAX_DIRECT_NODES, Hierarchy
from workers.fem.sparsity import SparsityPattern


class SolvePlan:
    """Sparsity pattern, Dirichlet rows and multigrid hierarchy of a mesh; made once for a template.

    Parameters
    ----------
    tets
        (m, 4) int32.
    n_nodes
        Number of nodes n.
    fixed_nodes
        Ids of the Dirichlet nodes: their displacement is prescribed.
    max_direct_nodes
        A multigrid level of at most this many nodes is solved directly.

    Attributes
    ----------
    fixed
        (n,) bool, true at the Dirichlet nodes.
    """

    def __init__(self, tets: Ints, n_nodes: int, fixed_nodes: Ints, max_direct_nodes: int = MAX_DIRECT_NODES) -> None:
        self.pattern = SparsityPattern.of(tets, n_nodes)
        self.fixed = np.zeros(n_nodes, np.bool_)
        self.fixed[fixed_nodes] = True
        self._max_direct_nodes = max_direct_nodes
        rows = np.repeat(np.arange(n_nodes, dtype=np.int32), np.diff(self.pattern.indptr))
        in_fixed_row = self.fixed[rows] | self.fixed[self.pattern.indices]
        on_diagonal = rows == self.pattern.indices
        self.fixed_blocks = np.flatnonzero(in_fixed_row)
        self.fixed_diagonal = np.flatnonzero(in_fixed_row & on_diagonal)
        self.free_diagonal = np.flatnonzero(~in_fixed_row & on_diagonal)

    @cached_property
    def hierarchy(self) -> Hierarchy:
        """Multigrid hierarchy, made on first use."""
        return Hierarchy(self.pattern.indptr, self.pattern.indices, self.fixed, self._max_direct_nodes)

    def impose_dirichlet(self, blocks: Floats) -> Floats:
        """Return the stiffness blocks (nnz, 3, 3), N/mm, with Dirichlet rows and columns replaced by an identity.

        The identity is scaled to the median diagonal entry of the free nodes, which keeps the matrix well conditioned.
        """
        blocks = blocks.copy()
        scale = float(np.median(blocks[self.free_diagonal, 0, 0]))
        blocks[self.fixed_blocks] = 0.0
        blocks[self.fixed_diagonal] = scale * np.eye(3)
        return blocks

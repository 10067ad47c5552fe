"""The coarse space of the two-level preconditioner: displacements that are linear on the coarse mesh's tetrahedra.

The coarse mesh belongs to the template, and a node is the same place in every subject. So the interpolation from coarse
to fine nodes is the same for all subjects, and so are the patterns of the products with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from models.coarse_mesh import CoarseMesh
from models.template import Template
from models.types import Floats, Singles
from workers.fem.block_sparse import add_transpose
from workers.fem.edge_assembly import EdgePattern
from workers.fem.galerkin import find_projected_slots, find_slots, multiply_interpolation, project
from workers.fem.hierarchy import Hierarchy, Rows, pattern_of, transpose
from workers.fem.slabs import SlabOrder
from workers.fem.sparsity import SparsityPattern

LONGEST_ROW = 255
"""Most blocks in a row of T P (T: the lower triangle of A) and of P' A P: places in a row are stored in a byte. The
template has 25 and 84."""


class CoarseSpace:
    """Interpolation P from the k coarse nodes to the n fine ones, and the patterns of A P and P' A P.

    Parameters
    ----------
    mesh
        The coarse mesh.
    template
        The fine mesh.
    order
        Of the rows of A and P.
    edges
        Of the fine mesh in that order: T, the lower triangle of A with half of its diagonal, so that A = T + T'.

    Attributes
    ----------
    rows, weights
        P in compressed rows, one number a block; empty at Dirichlet nodes.
    columns, column_weights
        P' in compressed rows.
    product, coarse
        Patterns of T P and of the coarse matrix P' A P.
    hierarchy
        Of the coarse matrix: its nodes are aggregated along the edges of the coarse mesh, since the matrix also couples
        their neighbours.
    """

    def __init__(self, mesh: CoarseMesh, template: Template, order: SlabOrder, edges: EdgePattern) -> None:
        self.node_corners, self.node_weights = template.tets[mesh.node_host], mesh.node_weights(template)
        p = _sorted(_interpolation(mesh, template)[order.nodes])
        transposed = _sorted(p.T)
        self.rows, self.weights = pattern_of(p), p.data.astype(np.float32)
        self.columns, self.column_weights = pattern_of(transposed), transposed.data.astype(np.float32)
        self.edges = edges
        n, k = p.shape
        ones: Any = np.ones(len(edges.indices), np.float32)
        triangle: Any = scipy.sparse.csr_array((ones, edges.indices, edges.indptr), shape=(n, n))
        entries: Any = scipy.sparse.csr_array((np.ones(p.nnz, np.float32), p.indices, p.indptr), shape=(n, k))
        has_entries = scipy.sparse.diags_array((np.diff(p.indptr) > 0).astype(np.float32))
        product = _sorted(has_entries @ triangle @ entries)
        half = entries.T @ product
        coarse = _sorted(half + half.T + scipy.sparse.eye_array(k))
        self.product, self.coarse = pattern_of(product), pattern_of(coarse)
        self.transposed = transpose(coarse).entries
        longest = max(int(np.diff(rows.indptr).max()) for rows in (self.product, self.coarse))
        if longest > LONGEST_ROW:
            raise ValueError(f"a row has {longest} blocks, expected at most {LONGEST_ROW}: the coarse mesh is too fine")
        self.slots = find_slots(edges.indptr, edges.indices, *self.rows, *self.product)
        lengths = np.diff(self.product.indptr)[self.columns.indices]
        self.starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        self.projected_slots = find_projected_slots(*self.product, *self.columns, *self.coarse, self.starts)
        own = SparsityPattern.of(mesh.tets, k)
        empty = np.diff(transposed.indptr) == 0
        neighbours = Rows(own.indptr, own.indices)
        self.hierarchy = Hierarchy(*self.coarse, empty, neighbours=neighbours)

    def galerkin_product(self, blocks: Singles) -> Singles:
        """Return the blocks (c, 3, 3) float32 of P' A P, N/mm.

        A coarse node without fine ones in reach gets an identity. `blocks` (e + n, 3, 3) float32 are the lower triangle
        of A.
        """
        triangle = (blocks, self.edges.indptr, self.edges.indices)
        product = multiply_interpolation(*triangle, *self.rows, self.weights, self.product.indptr, self.slots)
        columns = (*self.columns, self.column_weights, self.starts)
        half = project(product, self.product.indptr, *columns, self.projected_slots, self.coarse.indptr)
        out: Singles = add_transpose(half, self.transposed)
        return out

    def positions(self, points: Floats) -> Floats:
        """Return the places (k, 3), mm, of the coarse nodes in a subject's mesh (n, 3), mm, template order."""
        return np.einsum("kc,kcd->kd", self.node_weights, points[self.node_corners])


def _interpolation(mesh: CoarseMesh, template: Template) -> Any:
    """Return P (n, k) as `scipy.sparse.csr_array`, in template order."""
    n, k = len(template.nodes), len(mesh.nodes)
    corners = mesh.tets[mesh.host]
    fixed, coarse_fixed = np.zeros(n, np.bool_), np.zeros(k, np.bool_)
    fixed[template.fixed_nodes], coarse_fixed[mesh.fixed] = True, True
    weights = np.where(fixed[:, None] | coarse_fixed[corners], 0.0, mesh.fine_weights(template))
    return scipy.sparse.csr_array((weights.ravel(), (np.repeat(np.arange(n), 4), corners.ravel())), shape=(n, k))


def _sorted(matrix: Any) -> Any:
    """Return the matrix as `scipy.sparse.csr_array`, columns sorted, without zeros."""
    out: Any = scipy.sparse.csr_array(matrix)
    out.eliminate_zeros()
    out.sort_indices()
    return out

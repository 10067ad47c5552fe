"""Assembly of the stiffness matrix edge by edge: its lower triangle, in float32, with the Dirichlet conditions imposed.

The block that couples two nodes is a sum over the elements around their edge, and its transpose couples them the other
way, so the triangle is the whole matrix. The blocks of a row add up to zero, since a translation strains nothing: that
gives the diagonal. This is a third of the work of `workers.fem.assembly`, and a quarter of its memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from models.compiled import compiled
from models.types import Bools, Ints, Singles
from workers.fem.material import Material
from workers.fem.slabs import SlabOrder
from workers.fem.sparsity import SparsityPattern


@dataclass(frozen=True)
class EdgePattern:
    """The lower triangle of a mesh's stiffness matrix, and the elements around each edge.

    Attributes
    ----------
    indptr, indices
        (n + 1,) and (e + n,) int32: compressed rows, columns sorted, the diagonal last. So the block of edge k, which
        is in row i, stands at k + i.
    start
        (e + 1,) int32: the corners of edge k are ``corners[start[k]:start[k + 1]]``.
    corners
        (6 m,) int32: 16 t + 4 a + b for the element t that has the edge between its corners a and b.
    """

    indptr: Ints
    indices: Ints
    start: Ints
    corners: Ints

    @classmethod
    def of(cls, pattern: SparsityPattern) -> EdgePattern:
        """Find the edges of a mesh."""
        rows = np.repeat(np.arange(pattern.n_nodes, dtype=np.int32), np.diff(pattern.indptr))
        is_lower = rows >= pattern.indices
        indptr = np.concatenate([[0], np.cumsum(is_lower)])[pattern.indptr].astype(np.int32)
        below = np.flatnonzero(rows > pattern.indices)
        edge = np.full(len(rows), -1, np.int32)
        edge[below] = np.arange(len(below), dtype=np.int32)
        return cls(indptr, pattern.indices[is_lower], *_list_corners(pattern.slots, edge, len(below)))


@compiled("(i4[:,:,::1], i4[::1], i8)", parallel=False)
def _list_corners(slots, edge, n_edges):  # type: ignore[no-untyped-def]
    """Return `start` and `corners`; `edge` (nnz,) is the edge of each block below the diagonal, -1 elsewhere."""
    start = np.zeros(n_edges + 1, np.int32)
    for t in range(len(slots)):
        for a in range(4):
            for b in range(4):
                if edge[slots[t, a, b]] >= 0:
                    start[edge[slots[t, a, b]] + 1] += 1
    start[:] = np.cumsum(start)
    corners = np.empty(start[-1], np.int32)
    filled = start[:-1].copy()
    for t in range(len(slots)):
        for a in range(4):
            for b in range(4):
                e = edge[slots[t, a, b]]
                if e >= 0:
                    corners[filled[e]] = 16 * t + 4 * a + b
                    filled[e] += 1
    return start, corners


@compiled("(f4[:,:,::1], f4[::1], i4[::1], i4[::1], i4[::1], f4, f4, f4[:,:,::1])", fastmath=True)
def _couple(gradient, volume, indptr, start, corners, lam, mu, out):  # type: ignore[no-untyped-def]
    """Write the block of every edge to `out` (e + n, 3, 3).

    With M the sum of volume times a b' over the elements, a and b the gradients of the shape functions of row and
    column, the block is lam M + mu M' + mu trace(M) I.
    """
    for i in nb.prange(len(indptr) - 1):
        for k in range(indptr[i], indptr[i + 1] - 1):
            m00 = m01 = m02 = m10 = m11 = m12 = m20 = m21 = m22 = np.float32(0.0)
            for n in range(start[k - i], start[k - i + 1]):
                code = np.uint32(corners[n])
                t, a, b = code >> np.uint32(4), (code >> np.uint32(2)) & np.uint32(3), code & np.uint32(3)
                v = volume[t]
                a0, a1, a2 = v * gradient[t, a, 0], v * gradient[t, a, 1], v * gradient[t, a, 2]
                b0, b1, b2 = gradient[t, b, 0], gradient[t, b, 1], gradient[t, b, 2]
                m00, m01, m02 = m00 + a0 * b0, m01 + a0 * b1, m02 + a0 * b2
                m10, m11, m12 = m10 + a1 * b0, m11 + a1 * b1, m12 + a1 * b2
                m20, m21, m22 = m20 + a2 * b0, m21 + a2 * b1, m22 + a2 * b2
            own, trace = lam + mu, mu * (m00 + m11 + m22)
            out[k, 0, 0], out[k, 1, 1], out[k, 2, 2] = own * m00 + trace, own * m11 + trace, own * m22 + trace
            out[k, 0, 1], out[k, 1, 0] = lam * m01 + mu * m10, lam * m10 + mu * m01
            out[k, 0, 2], out[k, 2, 0] = lam * m02 + mu * m20, lam * m20 + mu * m02
            out[k, 1, 2], out[k, 2, 1] = lam * m12 + mu * m21, lam * m21 + mu * m12


@compiled("(f4[:,:,::1], i4[::1], i4[::1], f8[:,:,::1], u4[::1], i8, i8)")
def _subtract_edges(blocks, indptr, indices, diagonal, bounds, low, high):  # type: ignore[no-untyped-def]
    """Take the blocks of the edges of slabs off the diagonal blocks (n, 3, 3) of the nodes at both ends."""
    for slab in nb.prange(low, high):
        for i in range(bounds[slab], bounds[slab + 1]):
            for k in range(indptr[i], indptr[i + 1] - 1):
                j = indices[k]
                for r in range(3):
                    for c in range(3):
                        diagonal[i, r, c] -= blocks[k, r, c]
                        diagonal[j, r, c] -= blocks[k, c, r]


@compiled(parallel=False)
def _invert_symmetric(d, out):  # type: ignore[no-untyped-def]
    """Write the inverse of a symmetric matrix (3, 3) to `out`, by its adjugate."""
    a, b, c, e, f, g = d[0, 0], d[0, 1], d[0, 2], d[1, 1], d[1, 2], d[2, 2]
    aa, ab, ac = e * g - f * f, c * f - b * g, b * f - c * e
    det = a * aa + b * ab + c * ac
    out[0, 0], out[0, 1], out[0, 2] = aa / det, ab / det, ac / det
    out[1, 0], out[1, 1], out[1, 2] = ab / det, (a * g - c * c) / det, (b * c - a * f) / det
    out[2, 0], out[2, 1], out[2, 2] = ac / det, (b * c - a * f) / det, (a * e - b * b) / det


@compiled("(f4[:,:,::1], i4[::1], i4[::1], f8[:,:,::1], b1[::1])")
def _close_rows(blocks, indptr, indices, diagonal, fixed):  # type: ignore[no-untyped-def]
    """Fill in the diagonal, clear rows and columns of fixed nodes, and return the inverse of each diagonal block.

    A fixed node gets the identity. Its rows and columns take no part in the iteration.
    """
    inverse = np.zeros((len(fixed), 3, 3), np.float32)
    for i in nb.prange(len(fixed)):
        last = indptr[i + 1] - 1
        for k in range(indptr[i], last):
            if fixed[i] or fixed[indices[k]]:
                blocks[k] = 0.0
        if fixed[i]:
            diagonal[i] = np.eye(3)
        blocks[last] = diagonal[i]
        _invert_symmetric(diagonal[i], inverse[i])
    return inverse


def assemble_edges(
    order: SlabOrder, edges: EdgePattern, elements: tuple[Singles, Singles], fixed: Bools, material: Material
) -> tuple[Singles, Singles]:
    """Return the stiffness' lower triangle (e + n, 3, 3), N/mm, and the inverses (n, 3, 3) of its diagonal blocks.

    Parameters
    ----------
    order, edges
        Of the rows, and of the mesh in that order.
    elements
        Gradients (m, 4, 3) float32, 1/mm, and volumes (m,) float32, mm^3, from `shape_gradients`.
    fixed
        (n,) bool: Dirichlet nodes.
    material
        Isotropic linear elasticity, of the same m elements.
    """
    gradient, volume = elements
    lam, mu = (np.float32(value) for value in material.lame)
    blocks = np.empty((len(edges.indices), 3, 3), np.float32)
    _couple(gradient, material.stiffened(volume), edges.indptr, edges.start, edges.corners, lam, mu, blocks)
    diagonal = np.zeros((len(fixed), 3, 3))
    for half in order.halves:
        _subtract_edges(blocks, edges.indptr, edges.indices, diagonal, order.bounds, *half)
    return blocks, _close_rows(blocks, edges.indptr, edges.indices, diagonal, fixed)

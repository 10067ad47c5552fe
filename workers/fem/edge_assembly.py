"""Assembly of the stiffness matrix edge by edge, in float32, with the Dirichlet conditions imposed.

The block that couples two nodes is a sum over the elements around their edge, and its transpose couples them the other
way. The blocks of a row add up to zero, since a translation strains nothing: that gives the diagonal. This is a third
of the work of `workers.fem.assembly`, and half of its memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from models.compiled import compiled
from models.types import Bools, Ints, Singles
from workers.fem.material import Material
from workers.fem.sparsity import SparsityPattern


@dataclass(frozen=True)
class EdgePattern:
    """The edges of a mesh, each once, and the elements around each.

    Attributes
    ----------
    start
        (e + 1,) int32: the corners of edge k are ``corners[start[k]:start[k + 1]]``.
    corners
        (6 m,) int32: 16 t + 4 a + b for the element t that has the edge between its corners a and b.
    block, transposed
        (e,) int32: where in the pattern the block of the edge stands, and where its transpose.
    """

    start: Ints
    corners: Ints
    block: Ints
    transposed: Ints

    @classmethod
    def of(cls, pattern: SparsityPattern) -> EdgePattern:
        """Find the edges of a mesh."""
        rows = np.repeat(np.arange(pattern.n_nodes, dtype=np.int32), np.diff(pattern.indptr))
        block = np.flatnonzero(rows < pattern.indices).astype(np.int32)
        edge = np.full(len(rows), -1, np.int32)
        edge[block] = np.arange(len(block), dtype=np.int32)
        # the lower blocks in the order of their columns come in the order of the upper blocks' rows
        lower = np.flatnonzero(rows > pattern.indices)
        transposed = lower[np.lexsort((rows[lower], pattern.indices[lower]))].astype(np.int32)
        start, corners = _list_corners(pattern.slots, edge, len(block))
        return cls(start, corners, block, transposed)


@compiled("(i4[:,:,::1], i4[::1], i8)", parallel=False)
def _list_corners(slots, edge, n_edges):  # type: ignore[no-untyped-def]
    """Return `start` and `corners` of the edges: `edge` (nnz,) is the edge of each upper block, -1 elsewhere."""
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


@compiled("(f4[:,:,::1], f4[::1], i4[::1], i4[::1], i4[::1], i4[::1], f4, f4, f4[:,:,::1])", fastmath=True)
def _couple(gradient, volume, start, corners, block, transposed, lam, mu, out):  # type: ignore[no-untyped-def]
    """Write the blocks of all edges: K_ab = sum of V (lam g_a g_b' + mu g_b g_a' + mu g_a.g_b I)."""
    for e in nb.prange(len(block)):
        s = np.zeros((3, 3), np.float32)
        for k in range(start[e], start[e + 1]):
            q = np.uint32(corners[k])
            t, a, b = q >> np.uint32(4), (q >> np.uint32(2)) & np.uint32(3), q & np.uint32(3)
            v = volume[t]
            a0, a1, a2 = v * gradient[t, a, 0], v * gradient[t, a, 1], v * gradient[t, a, 2]
            b0, b1, b2 = gradient[t, b, 0], gradient[t, b, 1], gradient[t, b, 2]
            dot = mu * (a0 * b0 + a1 * b1 + a2 * b2)
            s[0, 0] += (lam + mu) * a0 * b0 + dot
            s[0, 1] += lam * a0 * b1 + mu * a1 * b0
            s[0, 2] += lam * a0 * b2 + mu * a2 * b0
            s[1, 0] += lam * a1 * b0 + mu * a0 * b1
            s[1, 1] += (lam + mu) * a1 * b1 + dot
            s[1, 2] += lam * a1 * b2 + mu * a2 * b1
            s[2, 0] += lam * a2 * b0 + mu * a0 * b2
            s[2, 1] += lam * a2 * b1 + mu * a1 * b2
            s[2, 2] += (lam + mu) * a2 * b2 + dot
        i, j = np.uint32(block[e]), np.uint32(transposed[e])
        for r in range(3):
            for c in range(3):
                out[i, r, c] = s[r, c]
                out[j, c, r] = s[r, c]


@compiled(parallel=False)
def _invert_symmetric(d, out):  # type: ignore[no-untyped-def]
    """Write the inverse of a symmetric matrix (3, 3) to `out`, by its adjugate."""
    a, b, c, e, f, g = d[0, 0], d[0, 1], d[0, 2], d[1, 1], d[1, 2], d[2, 2]
    aa, ab, ac = e * g - f * f, c * f - b * g, b * f - c * e
    det = a * aa + b * ab + c * ac
    out[0, 0], out[0, 1], out[0, 2] = aa / det, ab / det, ac / det
    out[1, 0], out[1, 1], out[1, 2] = ab / det, (a * g - c * c) / det, (b * c - a * f) / det
    out[2, 0], out[2, 1], out[2, 2] = ac / det, (b * c - a * f) / det, (a * e - b * b) / det


@compiled("(f4[:,:,::1], i4[::1], i4[::1], b1[::1])")
def _close_rows(blocks, indptr, indices, fixed):  # type: ignore[no-untyped-def]
    """Fill in the diagonal, clear rows and columns of fixed nodes, and return the inverse of each diagonal block.

    A fixed node gets the identity. Its rows and columns take no part in the iteration.
    """
    inverse = np.zeros((len(fixed), 3, 3), np.float32)
    for i in nb.prange(len(fixed)):
        d = np.zeros((3, 3))
        diagonal = 0
        for k in range(indptr[i], indptr[i + 1]):
            if indices[k] == i:
                diagonal = k
                continue
            for r in range(3):
                for c in range(3):
                    d[r, c] -= blocks[k, r, c]
            if fixed[i] or fixed[indices[k]]:
                blocks[k] = 0.0
        if fixed[i]:
            d[:] = np.eye(3)
        blocks[diagonal] = d
        _invert_symmetric(d, inverse[i])
    return inverse


def assemble_edges(
    pattern: SparsityPattern, edges: EdgePattern, gradient: Singles, volume: Singles, fixed: Bools, material: Material
) -> tuple[Singles, Singles]:
    """Return the stiffness blocks (nnz, 3, 3), N/mm, and the inverses (n, 3, 3), mm/N, of those on the diagonal.

    Parameters
    ----------
    pattern, edges
        Of the mesh.
    gradient, volume
        (m, 4, 3) float32, 1/mm, and (m,) float32, mm^3, from `shape_gradients`.
    fixed
        (n,) bool: Dirichlet nodes.
    material
        Isotropic linear elasticity, of the same m elements.
    """
    lam, mu = (np.float32(value) for value in material.lame)
    volume = material.stiffened(volume)
    blocks = np.empty((len(pattern.indices), 3, 3), np.float32)
    _couple(gradient, volume, edges.start, edges.corners, edges.block, edges.transposed, lam, mu, blocks)
    return blocks, _close_rows(blocks, pattern.indptr, pattern.indices, fixed)

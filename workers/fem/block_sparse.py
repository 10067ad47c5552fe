"""Numba kernels for sparse and block-diagonal matrices of small dense blocks; no two threads write one row."""

from __future__ import annotations

import numba as nb
import numpy as np

from models.compiled import compiled


@compiled(
    "(f4[:,:,::1], i4[::1], i4[::1], f4[:,::1], f4[:,::1])",
    "(f8[:,:,::1], i4[::1], i4[::1], f8[:,::1], f8[:,::1])",
    fastmath=True,
)
def multiply_blocks(data, indptr, indices, x, out):  # type: ignore[no-untyped-def]
    """Write A x into `out` (rows, b): A has blocks (nnz, b, c) over compressed rows, x is (columns, c).

    Blocks of 3x3, those of the finest level, have their own branch for speed. Unsigned indices need no check for
    negative ones.
    """
    b, c = data.shape[1], data.shape[2]
    ptr, ind = indptr.view(np.uint32), indices.view(np.uint32)
    for row in nb.prange(len(indptr) - 1):
        i = np.uint32(row)
        if b == 3 and c == 3:
            s0 = s1 = s2 = data[0, 0, 0] * 0
            for k in range(ptr[i], ptr[i + np.uint32(1)]):
                j = ind[k]
                x0, x1, x2 = x[j, 0], x[j, 1], x[j, 2]
                s0 += data[k, 0, 0] * x0 + data[k, 0, 1] * x1 + data[k, 0, 2] * x2
                s1 += data[k, 1, 0] * x0 + data[k, 1, 1] * x1 + data[k, 1, 2] * x2
                s2 += data[k, 2, 0] * x0 + data[k, 2, 1] * x1 + data[k, 2, 2] * x2
            out[i, 0], out[i, 1], out[i, 2] = s0, s1, s2
        else:
            for r in range(b):
                out[i, r] = 0
            for k in range(ptr[i], ptr[i + np.uint32(1)]):
                j = ind[k]
                for r in range(b):
                    for m in range(c):
                        out[i, r] += data[k, r, m] * x[j, m]


@compiled("(f4[:,:,::1], f4[:,::1], f4[:,::1])")
def multiply_diagonal(inverse, x, out):  # type: ignore[no-untyped-def]
    """Write D^-1 x into `out` (n, b): `inverse` (n, b, b) holds the blocks of D^-1, x is (n, b)."""
    b = inverse.shape[1]
    for i in nb.prange(len(inverse)):
        for r in range(b):
            total = inverse[0, 0, 0] * 0
            for m in range(b):
                total += inverse[i, r, m] * x[i, m]
            out[i, r] = total


@compiled("(f8[:,:,::1],)")
def invert_3x3(blocks):  # type: ignore[no-untyped-def]
    """Return the inverses of symmetric matrices (n, 3, 3), by their adjugates."""
    out = np.empty_like(blocks)
    for i in nb.prange(len(blocks)):
        a, b, c = blocks[i, 0, 0], blocks[i, 0, 1], blocks[i, 0, 2]
        d, e, f = blocks[i, 1, 1], blocks[i, 1, 2], blocks[i, 2, 2]
        aa, ab, ac = d * f - e * e, c * e - b * f, b * e - c * d
        det = a * aa + b * ab + c * ac
        out[i, 0, 0], out[i, 0, 1], out[i, 0, 2] = aa / det, ab / det, ac / det
        out[i, 1, 0], out[i, 1, 1], out[i, 1, 2] = ab / det, (a * f - c * c) / det, (b * c - a * e) / det
        out[i, 2, 0], out[i, 2, 1], out[i, 2, 2] = ac / det, (b * c - a * e) / det, (a * d - b * b) / det
    return out


@compiled("(f4[:,:,::1], i4[::1])", "(f8[:,:,::1], i4[::1])")
def add_transpose(blocks, entries):  # type: ignore[no-untyped-def]
    """Return the blocks (nnz, b, b) of B + B': `entries` (nnz,) says where the transposed block of each stands."""
    out = np.empty_like(blocks)
    for k in nb.prange(len(blocks)):
        for r in range(blocks.shape[1]):
            for c in range(blocks.shape[2]):
                out[k, r, c] = blocks[k, r, c] + blocks[entries[k], c, r]
    return out

"""Numba kernels of smoothed aggregation (Vaněk, Mandel & Brezina, Computing 56, 1996).

Matrices hold dense blocks over compressed rows: the matrix A of a level b x b, its prolongator P b x 6. b is 3 on the
finest level and 6 on coarser ones. The patterns come from `workers.fem.hierarchy`. No two threads write one row.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from models.compiled import compiled

LEAST_INDEPENDENT = 1e-8
"""Length of a mode left after Gram-Schmidt, over its own: below it the mode depends on the others."""


@compiled("(f8[:,::1], i4[::1], i4[::1], i8)")
def tentative_prolongator(modes, members_ptr, members, block):  # type: ignore[no-untyped-def]
    """Orthonormalise the near-null-space modes (block * n, 6) on each aggregate, by Gram-Schmidt.

    Returns the tentative prolongator (n, block, 6), one block a node, and the modes of the coarse level (6 c, 6).
    """
    n_coarse = len(members_ptr) - 1
    out = np.zeros((len(modes) // block, block, 6))
    coarse = np.zeros((n_coarse * 6, 6))
    for agg in nb.prange(n_coarse):
        rows = members[members_ptr[agg] : members_ptr[agg + 1]]
        q = np.empty((len(rows) * block, 6))
        for i in range(len(rows)):
            for r in range(block):
                for c in range(6):
                    q[i * block + r, c] = modes[rows[i] * block + r, c]
        for c in range(6):
            scale = np.sqrt((q[:, c] ** 2).sum())
            for k in range(c):
                dot = (q[:, k] * q[:, c]).sum()
                coarse[agg * 6 + k, c] = dot
                q[:, c] -= dot * q[:, k]
            norm = np.sqrt((q[:, c] ** 2).sum())
            if norm > LEAST_INDEPENDENT * scale:
                coarse[agg * 6 + c, c] = norm
                q[:, c] /= norm
            else:  # too few nodes for six motions: the column stays empty
                q[:, c] = 0.0
        for i in range(len(rows)):
            for r in range(block):
                for c in range(6):
                    out[rows[i], r, c] = q[i * block + r, c]
    return out, coarse


@compiled(
    "(f8[:,:,::1], i4[::1], i4[::1], f8[:,:,::1], f8, i4[::1], f8[:,:,::1], i4[::1], i4[::1])",
    "(f4[:,:,::1], i4[::1], i4[::1], f4[:,:,::1], f8, i4[::1], f4[:,:,::1], i4[::1], i4[::1])",
)
def smooth_prolongator(data, indptr, indices, inverse, omega, aggregate, columns, p_ptr, p_ind):  # type: ignore[no-untyped-def]
    """Return the blocks of P = (I - omega D^-1 A) T on the pattern of P, row by row.

    T is the tentative prolongator: `columns` (n, b, 6), the block of node i in column aggregate[i]. `inverse` (n, b, b)
    holds the blocks of D^-1.
    """
    b = data.shape[1]
    out = np.zeros((len(p_ind), b, 6), data.dtype)
    for i in nb.prange(len(indptr) - 1):
        low, high = p_ptr[i], p_ptr[i + 1]
        if low == high:
            continue
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            agg = aggregate[j]
            if agg < 0:
                continue
            slot = low + np.searchsorted(p_ind[low:high], agg)
            for r in range(b):
                for m in range(b):
                    v = data[k, r, m]
                    for c in range(6):
                        out[slot, r, c] += v * columns[j, m, c]
        for slot in range(low, high):
            for c in range(6):
                column = np.empty(b)
                for r in range(b):
                    total = 0.0
                    for m in range(b):
                        total += inverse[i, r, m] * out[slot, m, c]
                    column[r] = -omega * total
                for r in range(b):
                    out[slot, r, c] = column[r]
            if p_ind[slot] == aggregate[i]:
                out[slot] += columns[i]
    return out


@compiled(
    "(f8[:,:,::1], i4[::1], i4[::1], f8[:,:,::1], i4[::1], i4[::1], i4[::1], i4[::1])",
    "(f4[:,:,::1], i4[::1], i4[::1], f4[:,:,::1], i4[::1], i4[::1], i4[::1], i4[::1])",
)
def multiply_prolongator(data, indptr, indices, p, p_ptr, p_ind, tp_ptr, tp_ind):  # type: ignore[no-untyped-def]
    """Return the blocks of T P on its pattern, where T is the lower triangle of A with half of its diagonal."""
    b = data.shape[1]
    out = np.zeros((len(tp_ind), b, 6), data.dtype)
    for i in nb.prange(len(indptr) - 1):
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            if j > i:
                break
            slot = tp_ptr[i]
            for q in range(p_ptr[j], p_ptr[j + 1]):
                while tp_ind[slot] < p_ind[q]:
                    slot += 1
                for r in range(b):
                    for m in range(b):
                        v = data[k, r, m] / 2 if j == i else data[k, r, m]
                        for c in range(6):
                            out[slot, r, c] += v * p[q, m, c]
    return out


@compiled(
    "(f8[:,:,::1], i4[::1], i4[::1], i4[::1], f8[:,:,::1], i4[::1], i4[::1], i4[::1], i4[::1])",
    "(f4[:,:,::1], i4[::1], i4[::1], i4[::1], f4[:,:,::1], i4[::1], i4[::1], i4[::1], i4[::1])",
)
def project_product(p, pt_ptr, pt_ind, pt_slot, tp, tp_ptr, tp_ind, c_ptr, c_ind):  # type: ignore[no-untyped-def]
    """Return the blocks (nnz, 6, 6) of P' (T P) on the pattern of the coarse matrix."""
    b = p.shape[1]
    out = np.zeros((len(c_ind), 6, 6), p.dtype)
    for agg in nb.prange(len(c_ptr) - 1):
        for k in range(pt_ptr[agg], pt_ptr[agg + 1]):
            i, q = pt_ind[k], pt_slot[k]
            slot = c_ptr[agg]
            for s in range(tp_ptr[i], tp_ptr[i + 1]):
                while c_ind[slot] < tp_ind[s]:
                    slot += 1
                for m in range(b):
                    for r in range(6):
                        v = p[q, m, r]
                        for c in range(6):
                            out[slot, r, c] += v * tp[s, m, c]
    return out


@compiled("(f4[:,:,::1], i4[::1], i4[::1], i4[::1], f4[:,::1], f4[:,::1])")
def restrict(p, pt_ptr, pt_ind, pt_slot, x, out):  # type: ignore[no-untyped-def]
    """Write the restriction P' x of x (n, b) into `out` (c, 6)."""
    b = p.shape[1]
    for agg in nb.prange(len(pt_ptr) - 1):
        for c in range(6):
            out[agg, c] = 0
        for k in range(pt_ptr[agg], pt_ptr[agg + 1]):
            i, q = pt_ind[k], pt_slot[k]
            for m in range(b):
                for c in range(6):
                    out[agg, c] += p[q, m, c] * x[i, m]

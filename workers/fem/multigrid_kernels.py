"""Numba kernels of the multigrid: dense blocks over compressed rows; no two threads write one row."""

from __future__ import annotations

import numba as nb
import numpy as np


@nb.njit(parallel=True, cache=True)
def tentative(modes, members_ptr, members, block):  # type: ignore[no-untyped-def]
    """Orthonormalise the modes on each aggregate (Gram-Schmidt): rows (n, block, 6), coarse modes (6c, 6)."""
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
            if norm > 1e-8 * scale:
                coarse[agg * 6 + c, c] = norm
                q[:, c] /= norm
            else:  # too few nodes for six motions: the column stays empty
                q[:, c] = 0.0
        for i in range(len(rows)):
            for r in range(block):
                for c in range(6):
                    out[rows[i], r, c] = q[i * block + r, c]
    return out, coarse


@nb.njit(parallel=True, cache=True)
def smoothed(data, indptr, indices, inverse, omega, aggregate, columns, p_ptr, p_ind):  # type: ignore[no-untyped-def]
    """P = (I - omega D^-1 A) T, row by row on the pattern of P."""
    b = data.shape[1]
    out = np.zeros((len(p_ind), b, 6))
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


@nb.njit(parallel=True, cache=True)
def times_prolongator(data, indptr, indices, p, p_ptr, p_ind, ap_ptr, ap_ind):  # type: ignore[no-untyped-def]
    """Return the blocks of A P on the pattern of A P."""
    b = data.shape[1]
    out = np.zeros((len(ap_ind), b, 6))
    for i in nb.prange(len(indptr) - 1):
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            slot = ap_ptr[i]
            for q in range(p_ptr[j], p_ptr[j + 1]):
                while ap_ind[slot] < p_ind[q]:
                    slot += 1
                for r in range(b):
                    for m in range(b):
                        v = data[k, r, m]
                        for c in range(6):
                            out[slot, r, c] += v * p[q, m, c]
    return out


@nb.njit(parallel=True, cache=True)
def galerkin(p, pt_ptr, pt_ind, pt_slot, ap, ap_ptr, ap_ind, c_ptr, c_ind):  # type: ignore[no-untyped-def]
    """Return the blocks of the coarse matrix P' (A P)."""
    b = p.shape[1]
    out = np.zeros((len(c_ind), 6, 6))
    for agg in nb.prange(len(c_ptr) - 1):
        for k in range(pt_ptr[agg], pt_ptr[agg + 1]):
            i, q = pt_ind[k], pt_slot[k]
            slot = c_ptr[agg]
            for s in range(ap_ptr[i], ap_ptr[i + 1]):
                while c_ind[slot] < ap_ind[s]:
                    slot += 1
                for m in range(b):
                    for r in range(6):
                        v = p[q, m, r]
                        for c in range(6):
                            out[slot, r, c] += v * ap[s, m, c]
    return out


@nb.njit(parallel=True, cache=True)
def block_multiply(data, indptr, indices, x, out):  # type: ignore[no-untyped-def]
    """Write A x into `out`: blocks (nnz, b, c) over compressed rows, x (columns, c), out (rows, b)."""
    b, c = data.shape[1], data.shape[2]
    for i in nb.prange(len(indptr) - 1):
        if b == 3 and c == 3:
            s0 = s1 = s2 = data[0, 0, 0] * 0
            for k in range(indptr[i], indptr[i + 1]):
                j = indices[k]
                x0, x1, x2 = x[j, 0], x[j, 1], x[j, 2]
                d = data[k]
                s0 += d[0, 0] * x0 + d[0, 1] * x1 + d[0, 2] * x2
                s1 += d[1, 0] * x0 + d[1, 1] * x1 + d[1, 2] * x2
                s2 += d[2, 0] * x0 + d[2, 1] * x1 + d[2, 2] * x2
            out[i, 0], out[i, 1], out[i, 2] = s0, s1, s2
        else:
            for r in range(b):
                out[i, r] = 0
            for k in range(indptr[i], indptr[i + 1]):
                j = indices[k]
                for r in range(b):
                    for m in range(c):
                        out[i, r] += data[k, r, m] * x[j, m]


@nb.njit(parallel=True, cache=True)
def restrict(p, pt_ptr, pt_ind, pt_slot, x, out):  # type: ignore[no-untyped-def]
    """Write P' x into `out`."""
    b = p.shape[1]
    for agg in nb.prange(len(pt_ptr) - 1):
        for c in range(6):
            out[agg, c] = 0
        for k in range(pt_ptr[agg], pt_ptr[agg + 1]):
            i, q = pt_ind[k], pt_slot[k]
            for m in range(b):
                for c in range(6):
                    out[agg, c] += p[q, m, c] * x[i, m]


@nb.njit(parallel=True, cache=True)
def apply_inverse(inverse, x, out):  # type: ignore[no-untyped-def]
    """Write D^-1 x into `out`, D block diagonal."""
    b = inverse.shape[1]
    for i in nb.prange(len(inverse)):
        for r in range(b):
            total = inverse[0, 0, 0] * 0
            for m in range(b):
                total += inverse[i, r, m] * x[i, m]
            out[i, r] = total


@nb.njit(parallel=True, cache=True)
def invert_3x3(blocks):  # type: ignore[no-untyped-def]
    """Invert symmetric matrices (n, 3, 3) by their adjugates."""
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

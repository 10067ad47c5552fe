"""Numba kernels of the coarse space: P' A P, restriction and interpolation, in float32.

P has one number for each of its 3 x 3 blocks, since each axis is interpolated alike. Matrices hold blocks over
compressed rows; the patterns come from `workers.fem.coarse_space`. No two threads write one row.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from models.compiled import compiled


@compiled("(i4[::1], i4[::1], i4[::1], i4[::1], i4[::1], i4[::1])")
def find_slots(indptr, indices, p_ptr, p_ind, ap_ptr, ap_ind):  # type: ignore[no-untyped-def]
    """Return (nnz, 4) uint8: the place in its row of T P of column J, for each block T_ij and entry P_jJ."""
    slots = np.zeros((len(indices), 4), np.uint8)
    for i in nb.prange(len(indptr) - 1):
        low, high = ap_ptr[i], ap_ptr[i + 1]
        if low == high:
            continue
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            for q in range(p_ptr[j], p_ptr[j + 1]):
                slots[k, q - p_ptr[j]] = np.searchsorted(ap_ind[low:high], p_ind[q])
    return slots


@compiled("(f4[:,:,::1], i4[::1], i4[::1], i4[::1], i4[::1], f4[::1], i4[::1], u1[:,::1])", fastmath=True)
def multiply_interpolation(blocks, indptr, indices, p_ptr, p_ind, weights, ap_ptr, slots):  # type: ignore[no-untyped-def]
    """Return the blocks of T P, where T is the lower triangle of A with half of its diagonal: A = T + T'.

    `slots` are those of `find_slots`.
    """
    out = np.zeros((ap_ptr[-1], 3, 3), np.float32)
    for i in nb.prange(len(indptr) - 1):
        low = ap_ptr[i]
        if low == ap_ptr[i + 1]:
            continue
        for k in range(indptr[i], indptr[i + 1]):
            first, share = p_ptr[indices[k]], np.float32(0.5 if indices[k] == i else 1.0)
            for q in range(first, p_ptr[indices[k] + 1]):
                s = np.uint32(low + slots[k, q - first])
                w = share * weights[q]
                for r in range(3):
                    for c in range(3):
                        out[s, r, c] += w * blocks[k, r, c]
    return out


@compiled("(i4[::1], i4[::1], i4[::1], i4[::1], i4[::1], i4[::1], i4[::1])")
def find_projected_slots(ap_ptr, ap_ind, pt_ptr, pt_ind, c_ptr, c_ind, starts):  # type: ignore[no-untyped-def]
    """Return the place in its row of P' A P, uint8, of each block of T P, once for each entry of P' in its row.

    Those of entry k of P' begin at starts[k].
    """
    slots = np.zeros(starts[-1], np.uint8)
    for node in nb.prange(len(c_ptr) - 1):
        for k in range(pt_ptr[node], pt_ptr[node + 1]):
            slot, first = c_ptr[node], ap_ptr[pt_ind[k]]
            for s in range(first, ap_ptr[pt_ind[k] + 1]):
                while c_ind[slot] < ap_ind[s]:
                    slot += 1
                slots[starts[k] + s - first] = slot - c_ptr[node]
    return slots


@compiled(
    "(f4[:,:,::1], i4[::1], i4[::1], i4[::1], f4[::1], i4[::1], u1[::1], i4[::1])",
    fastmath=True,
)
def project(ap, ap_ptr, pt_ptr, pt_ind, weights, starts, slots, c_ptr):  # type: ignore[no-untyped-def]
    """Return the blocks of P' (T P); `slots` are those of `find_projected_slots`; an empty row gets half of I."""
    out = np.zeros((c_ptr[-1], 3, 3), np.float32)
    for node in nb.prange(len(c_ptr) - 1):
        for k in range(pt_ptr[node], pt_ptr[node + 1]):
            first, w = ap_ptr[pt_ind[k]], weights[k]
            for s in range(first, ap_ptr[pt_ind[k] + 1]):
                target, source = np.uint32(c_ptr[node] + slots[starts[k] + s - first]), np.uint32(s)
                for r in range(3):
                    for c in range(3):
                        out[target, r, c] += w * ap[source, r, c]
        if pt_ptr[node] == pt_ptr[node + 1]:
            for r in range(3):
                out[c_ptr[node], r, r] = 0.5
    return out


@compiled("(i4[::1], i4[::1], f4[::1], f4[:,::1])", fastmath=True)
def restrict_to_coarse(pt_ptr, pt_ind, weights, x):  # type: ignore[no-untyped-def]
    """Return P' x (k, 3) of x (n, 3)."""
    out = np.zeros((len(pt_ptr) - 1, 3), np.float32)
    for node in nb.prange(len(pt_ptr) - 1):
        for k in range(pt_ptr[node], pt_ptr[node + 1]):
            for c in range(3):
                out[node, c] += weights[k] * x[pt_ind[k], c]
    return out


@compiled("(i4[::1], i4[::1], f4[::1], f4[:,::1], f4[:,::1])", fastmath=True)
def interpolate(p_ptr, p_ind, weights, coarse, x):  # type: ignore[no-untyped-def]
    """Write P times `coarse` (k, 3) to x (n, 3)."""
    for i in nb.prange(len(p_ptr) - 1):
        x0 = x1 = x2 = np.float32(0.0)
        for k in range(p_ptr[i], p_ptr[i + 1]):
            w, j = weights[k], p_ind[k]
            x0, x1, x2 = x0 + w * coarse[j, 0], x1 + w * coarse[j, 1], x2 + w * coarse[j, 2]
        x[i, 0], x[i, 1], x[i, 2] = x0, x1, x2

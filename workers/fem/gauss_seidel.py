"""Block Gauss-Seidel sweeps in float32: the smoother of the finest level.

A symmetric matrix A = L + D + L' is given by its lower triangle: `blocks` (nnz, 3, 3) over compressed rows (int32,
columns sorted, the diagonal last), and `inverse` (n, 3, 3) holds the inverses of the diagonal blocks. A sweep reads L
once: row i of L gives what it needs of L, and its transpose what the rows before need of L'.

Rows are in the order of `workers.fem.slabs`, so that the slabs of one half, `low` to `high` of `bounds`, are swept in
parallel: no two of them write one row, and the result does not depend on the number of threads.

Unsigned indices need no check for negative ones: that makes a sweep a third faster.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from models.compiled import compiled

ONE, ZERO = np.uint32(1), np.float32(0.0)


@compiled(parallel=False, fastmath=True)
def _take_row_off(blocks, first, last, ind, x, r0, r1, r2):  # type: ignore[no-untyped-def]
    """Return r (3,) less the blocks first to last times their rows of x (n, 3)."""
    for k in range(first, last):
        j = ind[k]
        x0, x1, x2 = x[j, 0], x[j, 1], x[j, 2]
        r0 -= blocks[k, 0, 0] * x0 + blocks[k, 0, 1] * x1 + blocks[k, 0, 2] * x2
        r1 -= blocks[k, 1, 0] * x0 + blocks[k, 1, 1] * x1 + blocks[k, 1, 2] * x2
        r2 -= blocks[k, 2, 0] * x0 + blocks[k, 2, 1] * x1 + blocks[k, 2, 2] * x2
    return r0, r1, r2


@compiled(parallel=False, fastmath=True)
def _take_column_off(blocks, first, last, ind, x0, x1, x2, out):  # type: ignore[no-untyped-def]
    """Take the transposed blocks first to last times x (3,) off their rows of `out` (n, 3)."""
    for k in range(first, last):
        j = ind[k]
        out[j, 0] -= blocks[k, 0, 0] * x0 + blocks[k, 1, 0] * x1 + blocks[k, 2, 0] * x2
        out[j, 1] -= blocks[k, 0, 1] * x0 + blocks[k, 1, 1] * x1 + blocks[k, 2, 1] * x2
        out[j, 2] -= blocks[k, 0, 2] * x0 + blocks[k, 1, 2] * x1 + blocks[k, 2, 2] * x2


@compiled(parallel=False, fastmath=True)
def _times(m, r0, r1, r2):  # type: ignore[no-untyped-def]
    """Return m r of a matrix (3, 3)."""
    return (
        m[0, 0] * r0 + m[0, 1] * r1 + m[0, 2] * r2,
        m[1, 0] * r0 + m[1, 1] * r1 + m[1, 2] * r2,
        m[2, 0] * r0 + m[2, 1] * r1 + m[2, 2] * r2,
    )


@compiled(
    "(f4[:,:,::1], i4[::1], i4[::1], f4[:,:,::1], f4[:,::1], f4[:,::1], f4[:,::1], u4[::1], i8, i8)", fastmath=True
)
def sweep_forward(blocks, indptr, indices, inverse, b, x, left, bounds, low, high):  # type: ignore[no-untyped-def]
    """Write to x (n, 3) a forward sweep of A x = b that starts from zero, and to `left` (n, 3) what it leaves of b."""
    ptr, ind = indptr.view(np.uint32), indices.view(np.uint32)
    for slab in nb.prange(low, high):
        for i in range(bounds[slab], bounds[slab + 1]):
            first, last = ptr[i], ptr[i + ONE] - ONE
            r0, r1, r2 = _take_row_off(blocks, first, last, ind, x, b[i, 0], b[i, 1], b[i, 2])
            r0, r1, r2 = _times(inverse[i], r0, r1, r2)
            x[i, 0], x[i, 1], x[i, 2] = r0, r1, r2
            left[i, 0] = left[i, 1] = left[i, 2] = ZERO
            _take_column_off(blocks, first, last, ind, r0, r1, r2, left)


@compiled(
    "(f4[:,:,::1], i4[::1], i4[::1], f4[:,:,::1], f4[:,::1], f4[:,::1], f4[:,::1], u4[::1], i8, i8)", fastmath=True
)
def sweep_backward(blocks, indptr, indices, inverse, left, x, change, bounds, low, high):  # type: ignore[no-untyped-def]
    """Add `change` (n, 3) to x (n, 3), and then one backward sweep, the transpose of the forward one.

    `left` (n, 3) is b - A x before `change`, and becomes the change by the sweep.
    """
    ptr, ind = indptr.view(np.uint32), indices.view(np.uint32)
    for slab in nb.prange(low, high):
        first_row, last_row = bounds[slab], bounds[slab + 1]
        for step in range(last_row - first_row):
            i = np.uint32(last_row - ONE - np.uint32(step))
            first, last = ptr[i], ptr[i + ONE] - ONE
            r0, r1, r2 = _take_row_off(blocks, first, last, ind, change, left[i, 0], left[i, 1], left[i, 2])
            r0, r1, r2 = _times(inverse[i], r0, r1, r2)
            x[i, 0], x[i, 1], x[i, 2] = x[i, 0] + r0, x[i, 1] + r1, x[i, 2] + r2
            _take_column_off(blocks, first, last, ind, r0, r1, r2, left)
            left[i, 0], left[i, 1], left[i, 2] = r0 - change[i, 0], r1 - change[i, 1], r2 - change[i, 2]


@compiled("(f4[:,:,::1], i4[::1], i4[::1], f4[:,::1], f4[:,::1], f4[:,::1])", fastmath=True)
def multiply_swept(blocks, indptr, indices, b, change, out):  # type: ignore[no-untyped-def]
    """Write A x (n, 3) to `out`, where a backward sweep of A x = b changed x by `change`: it left - L change of b."""
    ptr, ind = indptr.view(np.uint32), indices.view(np.uint32)
    for row in nb.prange(len(b)):
        i = np.uint32(row)
        r0, r1, r2 = _take_row_off(blocks, ptr[i], ptr[i + ONE] - ONE, ind, change, ZERO, ZERO, ZERO)
        out[i, 0], out[i, 1], out[i, 2] = b[i, 0] - r0, b[i, 1] - r1, b[i, 2] - r2


@compiled("(f4[:,:,::1], i4[::1], i4[::1], f4[:,::1], f4[:,::1], f4[:,::1], u4[::1], i8, i8)", fastmath=True)
def subtract_product(blocks, indptr, indices, b, x, left, bounds, low, high):  # type: ignore[no-untyped-def]
    """Write b - A x (n, 3) to `left`."""
    ptr, ind = indptr.view(np.uint32), indices.view(np.uint32)
    for slab in nb.prange(low, high):
        for i in range(bounds[slab], bounds[slab + 1]):
            first, last = ptr[i], ptr[i + ONE]
            r0, r1, r2 = _take_row_off(blocks, first, last, ind, x, b[i, 0], b[i, 1], b[i, 2])
            left[i, 0], left[i, 1], left[i, 2] = r0, r1, r2
            _take_column_off(blocks, first, last - ONE, ind, x[i, 0], x[i, 1], x[i, 2], left)

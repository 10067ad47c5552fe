"""Block Gauss-Seidel sweeps in float32: the smoother of the finest level.

Rows are in the order of `workers.fem.slabs`, so that the slabs of one half are swept in parallel; the result does not
depend on the number of threads. A matrix A has `blocks` (nnz, 3, 3) over compressed rows (int32, columns sorted), and
`inverse` (n, 3, 3) holds the inverses of its diagonal blocks. `bounds` are those of the slabs from `low` to `high`.

Unsigned indices need no check for negative ones: that makes a sweep a third faster.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from models.compiled import compiled


@compiled("(f4[:,:,::1], i4[::1], i4[::1], f4[:,:,::1], f4[:,::1], f4[:,::1], u4[::1], i8, i8)", fastmath=True)
def sweep_forward(blocks, indptr, indices, inverse, b, x, bounds, low, high):  # type: ignore[no-untyped-def]
    """Write to x (n, 3) one forward sweep of A x = b that starts from zero: it reads the lower half of A."""
    ptr, ind = indptr.view(np.uint32), indices.view(np.uint32)
    for slab in nb.prange(low, high):
        for i in range(bounds[slab], bounds[slab + 1]):
            r0, r1, r2 = b[i, 0], b[i, 1], b[i, 2]
            for k in range(ptr[i], ptr[i + np.uint32(1)]):
                j = ind[k]
                if j >= i:
                    break
                x0, x1, x2 = x[j, 0], x[j, 1], x[j, 2]
                r0 -= blocks[k, 0, 0] * x0 + blocks[k, 0, 1] * x1 + blocks[k, 0, 2] * x2
                r1 -= blocks[k, 1, 0] * x0 + blocks[k, 1, 1] * x1 + blocks[k, 1, 2] * x2
                r2 -= blocks[k, 2, 0] * x0 + blocks[k, 2, 1] * x1 + blocks[k, 2, 2] * x2
            x[i, 0] = inverse[i, 0, 0] * r0 + inverse[i, 0, 1] * r1 + inverse[i, 0, 2] * r2
            x[i, 1] = inverse[i, 1, 0] * r0 + inverse[i, 1, 1] * r1 + inverse[i, 1, 2] * r2
            x[i, 2] = inverse[i, 2, 0] * r0 + inverse[i, 2, 1] * r1 + inverse[i, 2, 2] * r2


@compiled("(f4[:,:,::1], i4[::1], i4[::1], f4[:,::1], f4[:,::1])", fastmath=True)
def residual_of_forward(blocks, indptr, indices, x, out):  # type: ignore[no-untyped-def]
    """Write to `out` (n, 3) the residual b - A x that `sweep_forward` leaves: it reads the upper half of A."""
    ptr, ind = indptr.view(np.uint32), indices.view(np.uint32)
    for row in nb.prange(len(x)):
        i = np.uint32(row)
        r0 = r1 = r2 = np.float32(0.0)
        k = ptr[i + np.uint32(1)]
        while True:
            k -= np.uint32(1)
            j = ind[k]
            if j <= i:
                break
            x0, x1, x2 = x[j, 0], x[j, 1], x[j, 2]
            r0 -= blocks[k, 0, 0] * x0 + blocks[k, 0, 1] * x1 + blocks[k, 0, 2] * x2
            r1 -= blocks[k, 1, 0] * x0 + blocks[k, 1, 1] * x1 + blocks[k, 1, 2] * x2
            r2 -= blocks[k, 2, 0] * x0 + blocks[k, 2, 1] * x1 + blocks[k, 2, 2] * x2
        out[i, 0], out[i, 1], out[i, 2] = r0, r1, r2


@compiled("(f4[:,:,::1], i4[::1], i4[::1], f4[:,:,::1], f4[:,::1], f4[:,::1], u4[::1], i8, i8)", fastmath=True)
def sweep_backward(blocks, indptr, indices, inverse, b, x, bounds, low, high):  # type: ignore[no-untyped-def]
    """Improve x (n, 3) by one backward sweep of A x = b, the transpose of the forward one."""
    ptr, ind = indptr.view(np.uint32), indices.view(np.uint32)
    for slab in nb.prange(low, high):
        first, last = bounds[slab], bounds[slab + 1]
        for step in range(last - first):
            i = np.uint32(last - np.uint32(1) - np.uint32(step))
            r0, r1, r2 = b[i, 0], b[i, 1], b[i, 2]
            for k in range(ptr[i], ptr[i + np.uint32(1)]):
                j = ind[k]
                x0, x1, x2 = x[j, 0], x[j, 1], x[j, 2]
                r0 -= blocks[k, 0, 0] * x0 + blocks[k, 0, 1] * x1 + blocks[k, 0, 2] * x2
                r1 -= blocks[k, 1, 0] * x0 + blocks[k, 1, 1] * x1 + blocks[k, 1, 2] * x2
                r2 -= blocks[k, 2, 0] * x0 + blocks[k, 2, 1] * x1 + blocks[k, 2, 2] * x2
            x[i, 0] += inverse[i, 0, 0] * r0 + inverse[i, 0, 1] * r1 + inverse[i, 0, 2] * r2
            x[i, 1] += inverse[i, 1, 0] * r0 + inverse[i, 1, 1] * r1 + inverse[i, 1, 2] * r2
            x[i, 2] += inverse[i, 2, 0] * r0 + inverse[i, 2, 1] * r1 + inverse[i, 2, 2] * r2

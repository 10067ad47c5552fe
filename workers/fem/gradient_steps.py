"""Kernels of a step of conjugate gradients: each reads its vectors once, on every core.

Vectors are (n, 3) float32. Inner products are added up in float64, in pieces whose number is fixed, so the result does
not depend on the number of threads.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from models.compiled import compiled

PIECES = 64


@compiled("(f4[:,::1], f4[:,::1])")
def inner_product(a, b):  # type: ignore[no-untyped-def]
    """Return the inner product of two vectors."""
    sums, size = np.zeros(PIECES), len(a) // PIECES + 1
    for piece in nb.prange(PIECES):
        total = 0.0
        for i in range(piece * size, min((piece + 1) * size, len(a))):
            for c in range(3):
                total += np.float64(a[i, c]) * np.float64(b[i, c])
        sums[piece] = total
    return sums.sum()


@compiled("(f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4)")
def turn(p, q, z, product, ratio):  # type: ignore[no-untyped-def]
    """Make p = z + ratio p and q = A z + ratio q, where `product` is A z; return p' q."""
    sums, size = np.zeros(PIECES), len(p) // PIECES + 1
    for piece in nb.prange(PIECES):
        total = 0.0
        for i in range(piece * size, min((piece + 1) * size, len(p))):
            for c in range(3):
                p[i, c] = z[i, c] + ratio * p[i, c]
                q[i, c] = product[i, c] + ratio * q[i, c]
                total += np.float64(p[i, c]) * np.float64(q[i, c])
        sums[piece] = total
    return sums.sum()


@compiled("(f8[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f8)")
def advance(x, r, p, q, length):  # type: ignore[no-untyped-def]
    """Add length p to x (n, 3) float64, and take length q off r."""
    for i in nb.prange(len(x)):
        for c in range(3):
            x[i, c] += length * p[i, c]
            r[i, c] -= np.float32(length) * q[i, c]

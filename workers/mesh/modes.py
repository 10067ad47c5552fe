"""Products of the shape model's eigenfunctions at many nodes with three columns: memory-bound, so each reads them once.

BLAS rearranges its operands first. On 120,913 nodes and 600 modes that took twice as long on one core, and BLAS has no
second one (decision 13).
"""

from __future__ import annotations

import numba as nb
import numpy as np

from models.compiled import compiled
from models.types import Floats, Singles

BLOCKS = 16
"""Blocks of nodes that `projection` sums apart, so that the sum is the same on any number of cores."""


@compiled("(f4[:,::1], f4[:,::1])", fastmath=True)
def _combine(basis, leading):  # type: ignore[no-untyped-def]
    """Sums (n, 3) of the first k columns of the basis (n, m), times the rows of `leading` (3, k)."""
    n, k = basis.shape[0], leading.shape[1]
    out = np.empty((n, 3), np.float32)
    for i in nb.prange(n):
        x, y, z = np.float32(0.0), np.float32(0.0), np.float32(0.0)
        for j in range(k):
            phi = basis[i, j]
            x += phi * leading[0, j]
            y += phi * leading[1, j]
            z += phi * leading[2, j]
        out[i, 0], out[i, 1], out[i, 2] = x, y, z
    return out


@compiled("(f4[:,::1], f4[:,::1], i8)", fastmath=True)
def _project(basis, values, blocks):  # type: ignore[no-untyped-def]
    """Sums (3, m) over the nodes of the basis (n, m) times values (n, 3)."""
    n, m = basis.shape
    parts = np.zeros((blocks, 3, m), np.float32)
    for block in nb.prange(blocks):
        for i in range(block * n // blocks, (block + 1) * n // blocks):
            x, y, z = values[i, 0], values[i, 1], values[i, 2]
            for j in range(m):
                phi = basis[i, j]
                parts[block, 0, j] += phi * x
                parts[block, 1, j] += phi * y
                parts[block, 2, j] += phi * z
    return parts.sum(axis=0)


def combination(basis: Singles, coefficients: Floats | Singles) -> Singles:
    """Return the displacement (n, 3), mm, of the leading modes with these coefficients (k, 3).

    `basis` (n, m) float32, mm, with m ≥ k, lies row by row in memory.
    """
    out: Singles = _combine(basis, np.ascontiguousarray(coefficients.T, np.float32))
    return out


def projection(basis: Singles, values: Floats | Singles) -> Floats:
    """Return the transposed basis (n, m) times values (n, 3): (m, 3) float64."""
    sums = _project(basis, np.ascontiguousarray(values, np.float32), BLOCKS)
    return np.asarray(sums.T, np.float64)

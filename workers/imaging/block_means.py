"""Means of a CT over blocks of voxels, on every core.

The order of additions is that of NumPy's `mean` of planes, for blocks of less than eight voxels along the first axis.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from models.compiled import compiled


@compiled("(i2[:,:,:], i8[::1], f4, f4, f4[:,:,::1])", "(f4[:,:,:], i8[::1], f4, f4, f4[:,:,::1])")
def write_block_means(hu, factor, lowest, highest, out):  # type: ignore[no-untyped-def]
    """Write to `out` (a, b, c) the means over blocks of `factor` (3,) voxels of HU, clipped from lowest to highest.

    A block at the end of an axis that has too few voxels repeats the last one.
    """
    n0, n1, n2 = hu.shape
    f0, f1, f2 = factor
    for c in nb.prange(out.shape[2]):
        for b in range(out.shape[1]):
            for a in range(out.shape[0]):
                total = np.float32(0.0)
                for j in range(b * f1, (b + 1) * f1):
                    row = np.float32(0.0)
                    for i in range(a * f0, (a + 1) * f0):
                        column = np.float32(0.0)
                        for k in range(c * f2, (c + 1) * f2):
                            value = np.float32(hu[min(i, n0 - 1), min(j, n1 - 1), min(k, n2 - 1)])
                            column += min(max(value, lowest), highest)
                        row += column / np.float32(f2)
                    total += row
                out[a, b, c] = total / np.float32(f0 * f1)

"""Interpolate a volume linearly on a grid, in parallel: what `scipy.ndimage.affine_transform` does on one core."""

from __future__ import annotations

import numba as nb
import numpy as np

from models.compiled import compiled
from models.types import Floats, Singles


def interpolate(
    voxels: Singles, matrix: Floats, offset: Floats, shape: tuple[int, int, int], fill: float | None
) -> Singles:
    """Return the values (i, j, k) float32 of a volume at the voxels of a grid, as SciPy does with ``order=1``.

    Parameters
    ----------
    voxels
        (l, m, n) float32, in any order in memory.
    matrix, offset
        (3, 3) and (3,): from a voxel of the grid to one of the volume.
    shape
        Of the grid.
    fill
        Beyond the volume: this value (SciPy's ``grid-constant``), or the nearest voxel's if None (``nearest``).
    """
    out = np.empty(shape, np.float32)
    if abs(voxels.strides[0]) < abs(voxels.strides[2]):  # the axes in the order in which they lie in memory
        voxels, matrix, offset = voxels.T, matrix[::-1], offset[::-1]
    args = (np.ascontiguousarray(matrix, np.float64), np.ascontiguousarray(offset, np.float64))
    _interpolate(np.ascontiguousarray(voxels), *args, out, 0.0 if fill is None else fill, fill is None)
    return out


@compiled("(f4[:,:,::1], f8[:,::1], f8[::1], f4[:,:,::1], f8, b1)")
def _interpolate(voxels, matrix, offset, out, fill, nearest):  # type: ignore[no-untyped-def]
    """Write the values of `voxels` at the voxels of `out`."""
    for i in nb.prange(out.shape[0]):
        for j in range(out.shape[1]):
            x0 = matrix[0, 0] * i + matrix[0, 1] * j + offset[0]
            y0 = matrix[1, 0] * i + matrix[1, 1] * j + offset[1]
            z0 = matrix[2, 0] * i + matrix[2, 1] * j + offset[2]
            for k in range(out.shape[2]):
                x, y, z = x0 + matrix[0, 2] * k, y0 + matrix[1, 2] * k, z0 + matrix[2, 2] * k
                out[i, j, k] = _value_at(voxels, x, y, z, fill, nearest)


@compiled(parallel=False)
def _value_at(voxels, x, y, z, fill, nearest):  # type: ignore[no-untyped-def]
    """Return the value at one point, in voxels."""
    rows, columns, planes = voxels.shape
    if nearest:
        x, y, z = min(max(x, 0.0), rows - 1.0), min(max(y, 0.0), columns - 1.0), min(max(z, 0.0), planes - 1.0)
    elif not (-1.0 < x < rows and -1.0 < y < columns and -1.0 < z < planes):
        return fill
    a, b, c = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    u, v, w = x - a, y - b, z - c
    total = 0.0
    for da in range(2):
        for db in range(2):
            for dc in range(2):
                weight = (u if da else 1.0 - u) * (v if db else 1.0 - v) * (w if dc else 1.0 - w)
                p, q, r = a + da, b + db, c + dc
                if 0 <= p < rows and 0 <= q < columns and 0 <= r < planes:
                    total += weight * voxels[p, q, r]
                elif not nearest:
                    total += weight * fill
    return total

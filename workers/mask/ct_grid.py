"""Bring a cleaned vertebra back onto the CT's grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.types import Bytes, Floats
from workers.imaging.binary_mask import label_box
from workers.imaging.volume import Volume
from workers.mask.cleaning import CleanMask

_ROUNDING = 1e-6  # voxels; a centre on the border of two voxels goes to the same one in every orientation


def onto_ct_grid(clean: CleanMask, ct: Volume) -> Bytes:
    """Return the cleaned vertebra on the CT's full grid: (i, j, k) uint8, 1 inside (the voxels of ``mask.nii.gz``)."""
    return _nearest(clean.voxels.astype(np.uint8), clean.affine, ct)


def _nearest(source: NDArray[Any], affine: Floats, grid: Volume) -> NDArray[Any]:
    """Sample `source` at the voxel centres of `grid`, 0 outside. Only its bounding box is visited, plane by plane."""
    shape = grid.voxels.shape
    out = np.zeros(shape, source.dtype, order="F")
    if not source.any():
        return out
    box = label_box(source, None)
    to_grid = np.linalg.inv(grid.affine) @ affine
    ends = np.array(np.meshgrid(*[(s.start - 0.5, s.stop - 0.5) for s in box])).reshape(3, -1)
    reach = to_grid[:3, :3] @ ends + to_grid[:3, 3:]
    low = np.clip(np.floor(reach.min(1)), 0, shape).astype(int)
    high = np.clip(np.ceil(reach.max(1)) + 1, 0, shape).astype(int)
    m = np.linalg.inv(to_grid)
    i, j = np.arange(low[0], high[0])[:, None], np.arange(low[1], high[1])[None, :]
    for k in range(low[2], high[2]):
        at = [
            np.floor(m[a, 0] * i + m[a, 1] * j + (m[a, 2] * k + m[a, 3] + 0.5 + _ROUNDING)).astype(int)
            for a in range(3)
        ]
        inside = np.logical_and.reduce([(n >= 0) & (n < size) for n, size in zip(at, source.shape, strict=True)])
        plane = out[low[0] : high[0], low[1] : high[1], k]
        plane[inside] = source[at[0][inside], at[1][inside], at[2][inside]]
    return out

"""Smooth random fields on a grid: texture of tissue, uneven outlines, slow drifts."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from models.types import Singles

POINTS_A_WIDTH = 2.0
"""The field is drawn on a coarse grid of this many points a width. Interpolation hides a grid of that spacing."""
SPARE_POINTS = 4
"""Points that the coarse grid has beyond the last voxel, so that every voxel lies between two points."""
LEAST_DEVIATION = 1e-6
"""Keeps the division by the deviation finite where a field is constant."""


def smooth_noise(random: np.random.Generator, shape: tuple[int, int, int], width: float) -> Singles:
    """Return Gaussian noise of zero mean and unit deviation, smoothed over `width` voxels, `shape` float32."""
    factor = max(1, int(width / POINTS_A_WIDTH))
    coarse = tuple(int(np.ceil(n / factor)) + SPARE_POINTS for n in shape)
    field = ndimage.gaussian_filter(random.standard_normal(coarse, np.float32), width / factor)
    for axis, n in enumerate(shape):
        field = np.moveaxis(np.tensordot(_interpolation(n, coarse[axis], factor), field, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray((field - field.mean()) / max(float(field.std()), LEAST_DEVIATION), np.float32)


def _interpolation(n: int, coarse: int, factor: int) -> Singles:
    """Return the matrix (n, coarse) of linear interpolation on a grid `factor` times finer: faster than a spline."""
    at = np.arange(n) / factor
    return np.asarray(np.clip(1.0 - np.abs(at[:, None] - np.arange(coarse)), 0.0, None), np.float32)

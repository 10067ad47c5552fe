"""Smooth random fields on a grid."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from models.types import Singles


def smooth_noise(random: np.random.Generator, shape: tuple[int, int, int], width: float) -> Singles:
    """Return Gaussian noise of zero mean and unit deviation, smoothed over `width` voxels, float32."""
    factor = max(1, int(width / 2.0))
    small = tuple(int(np.ceil(n / factor)) + 4 for n in shape)
    field = ndimage.gaussian_filter(random.standard_normal(small, np.float32), width / factor)
    for axis, n in enumerate(shape):
        field = np.moveaxis(np.tensordot(_stretch(n, small[axis], factor), field, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray((field - field.mean()) / max(float(field.std()), 1e-6), np.float32)


def _stretch(n: int, coarse: int, factor: int) -> Singles:
    """Return the matrix (n, coarse) of linear interpolation on a grid `factor` times finer (faster than a spline)."""
    at = np.arange(n) / factor
    return np.asarray(np.clip(1.0 - np.abs(at[:, None] - np.arange(coarse)), 0.0, None), np.float32)

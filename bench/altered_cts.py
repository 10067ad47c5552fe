"""A CT as another scan of the same person would show it: with more noise, another kernel, other slices."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy import ndimage

from workers.imaging.volume import Volume

NOISE_HU = (10.0, 20.0, 30.0)
BLUR_MM, SHARPER = 1.0, 0.5
"""Standard deviation of a softer kernel; and what a sharper one adds of the difference to it."""
SLICES_MM = (0.7, 1.5, 5.0)


def with_noise(sigma: float, ct: Volume) -> Volume:
    """Return a CT with white noise of a standard deviation, HU, added."""
    noise = np.random.default_rng(0).normal(0.0, sigma, ct.voxels.shape)
    return Volume((ct.voxels + noise).astype(np.float32), ct.affine)


def softer(ct: Volume) -> Volume:
    """Return a CT as a softer kernel shows it."""
    return Volume(ndimage.gaussian_filter(ct.voxels.astype(np.float32), BLUR_MM / ct.spacing), ct.affine)


def sharper(ct: Volume) -> Volume:
    """Return a CT as a sharper kernel shows it."""
    plain = ct.voxels.astype(np.float32)
    return Volume(plain + SHARPER * (plain - softer(ct).voxels), ct.affine)


def resliced(thickness: float, ct: Volume) -> Volume:
    """Return a CT in slices of another thickness, mm, along the body: means of what lies in each."""
    axis = int(np.abs(ct.affine[2, :3]).argmax())
    n, step = ct.voxels.shape[axis], float(ct.spacing[axis])
    whole = np.moveaxis(ct.voxels, axis, 0).astype(np.float64)
    summed = np.concatenate([np.zeros((1, *whole.shape[1:])), np.cumsum(whole, axis=0)])
    edges = np.arange(0.0, n * step - thickness / 2.0, thickness) / step
    low = np.minimum(edges.astype(int), n - 1)
    at = summed[low] + (edges - low)[:, None, None] * whole[low]
    slices = np.diff(at, axis=0) / (thickness / step)
    affine = ct.affine.copy()
    affine[:3, axis] *= thickness / step
    affine[:3, 3] += ct.affine[:3, axis] * (thickness / step - 1.0) / 2.0
    return Volume(np.moveaxis(slices, 0, axis).astype(np.float32), affine)


CHANGES: dict[str, Callable[[Volume], Volume]] = {
    **{f"noise of {sigma:g} HU": partial(with_noise, sigma) for sigma in NOISE_HU},
    f"softer kernel ({BLUR_MM:g} mm)": softer,
    "sharper kernel": sharper,
    **{f"slices of {mm:g} mm": partial(resliced, mm) for mm in SLICES_MM},
}

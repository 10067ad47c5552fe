"""Smooth noise, blur and interpolation of volumes in torch, on any device.

Volumes are (1, c, i, j, k) throughout.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

LEAST_BLUR = 0.2
"""Standard deviation, voxels, below which a blur changes nothing that noise would leave visible."""
BLUR_REACH = 2.5
"""Taps of a blur reach this many standard deviations: beyond lies 1.2 % of a Gaussian."""
LEAST_DEVIATION = 1e-6
"""Keeps the division by the deviation finite where a field is constant."""


def white_noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return Gaussian noise of zero mean and unit deviation on the generator's device, float32."""
    return torch.randn(shape, device=generator.device, generator=generator)


def smooth_noise(shape: tuple[int, int, int], width: float, generator: torch.Generator) -> Tensor:
    """Return noise (1, 1, *shape) of unit deviation that varies over `width` voxels; white up to a width of 1."""
    if width <= 1.0:
        return white_noise((1, 1, *shape), generator)
    coarse = [math.ceil(n / width) + 2 for n in shape]
    field = white_noise((1, 1, *coarse), generator)
    fine = functional.interpolate(field, size=shape, mode="trilinear", align_corners=True)
    return fine / fine.std().clamp_min(LEAST_DEVIATION)


def blur(volume: Tensor, deviations: tuple[float, float, float]) -> Tensor:
    """Return the volume blurred by Gaussians of `deviations` (voxels along i, j, k).

    A few shifted sums: cuDNN's convolutions are tuned anew for every shape, and each scan has another one.
    """
    for axis, deviation in enumerate(deviations, start=2):
        if deviation >= LEAST_BLUR:
            volume = _blur_along(volume, deviation, axis)
    return volume


def _blur_along(volume: Tensor, deviation: float, axis: int) -> Tensor:
    reach, n = math.ceil(BLUR_REACH * deviation), volume.shape[axis]
    weights = [math.exp(-0.5 * (tap / deviation) ** 2) for tap in range(-reach, reach + 1)]
    edge = [volume.narrow(axis, at, 1).expand(*_with(volume.shape, axis, reach)) for at in (0, n - 1)]
    padded = torch.cat([edge[0], volume, edge[1]], dim=axis)
    out = torch.zeros_like(volume)
    for tap, weight in enumerate(weights):
        out.add_(padded.narrow(axis, tap, n), alpha=weight / sum(weights))
    return out


def _with(shape: torch.Size, axis: int, size: int) -> list[int]:
    return [size if i == axis else n for i, n in enumerate(shape)]


def interpolate(volume: Tensor, points: Tensor, fill: float | None = None) -> Tensor:
    """Sample a volume linearly.

    Parameters
    ----------
    volume
        (1, c, i, j, k).
    points
        (..., 3) voxel coordinates.
    fill
        Value beyond the volume; the nearest voxel's if None.

    Returns
    -------
    (c, ...) of the volume's dtype.
    """
    size = torch.tensor(volume.shape[2:], device=volume.device, dtype=torch.float32)
    grid = (2.0 * points / (size - 1.0) - 1.0).flip(-1).reshape(1, 1, 1, -1, 3).to(volume.dtype)
    padding = "border" if fill is None else "zeros"
    offset = fill or 0.0
    out = functional.grid_sample(
        volume - offset if offset else volume, grid, mode="bilinear", padding_mode=padding, align_corners=True
    )
    return (out + offset if offset else out).reshape(volume.shape[1], *points.shape[:-1])


def voxel_grid(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Return the indices (i, j, k, 3) float32 of a volume's voxels."""
    axes = [torch.arange(n, device=device, dtype=torch.float32) for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)

"""Cement in a vertebral body and screws, drawn into Hounsfield units in torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from synthetic_ct.metal import METAL_HU, SCREW_HALF_LENGTH_MM, SCREW_RADIUS_MM, SIDEWAYS_SD, UPWARDS_SD
from training.segmentation.data.anatomy_crops import CENTRE
from training.segmentation.synthesis.anatomy_tensors import AnatomyTensors
from training.segmentation.synthesis.fields import smooth_noise, voxel_grid

CEMENT_SHARE, CEMENT_HU = 0.05, (500.0, 2600.0)
"""Share of scans with cement in the vertebra, and its HU. Wide on purpose."""
CEMENT_RADIUS_MM, CEMENT_OFF_MM = (8.0, 16.0), 4.0
"""Radius of a ball of cement, and the standard deviation of its place from the body centre. By judgement."""
CEMENT_UNEVENNESS, CEMENT_WIDTH_MM, CEMENT_DEPTH_MM = 0.5, 6.0, 0.5
"""Deviation and width of the noise that gives cement its outline, and how deep in bone it begins."""
SCREW_SHARE, MOST_SCREWS = 0.05, 3
"""Share of scans with screws, and their largest number. Wide on purpose."""
PEDICLE_MM, SCREW_BEHIND_MM, SCREW_HEIGHT_MM = (8.0, 18.0), (5.0, 25.0), 38.0
"""Where a screw's middle lies from the body centre: to either side, behind, above or below. By judgement."""


def add_cement(random: np.random.Generator, generator: torch.Generator, hu: Tensor, anatomy: AnatomyTensors) -> None:
    """Fill part of the vertebra in the middle of `hu` (1, 1, i, j, k) with cement, in place."""
    middle = _point(CENTRE + random.normal(0.0, CEMENT_OFF_MM, 3), hu)
    away = (voxel_grid(anatomy.shape, hu.device) - middle).square().sum(dim=-1)
    outline = CEMENT_UNEVENNESS * smooth_noise(anatomy.shape, CEMENT_WIDTH_MM, generator)[0, 0]
    cement = away / random.uniform(*CEMENT_RADIUS_MM) ** 2 + outline < 1.0
    hu[0, 0][cement & (anatomy.depth > CEMENT_DEPTH_MM)] = random.uniform(*CEMENT_HU)


def add_screws(random: np.random.Generator, hu: Tensor) -> None:
    """Put up to `MOST_SCREWS` screws into `hu` (1, 1, i, j, k) at the height of the bodies, in place."""
    grid = voxel_grid(tuple(hu.shape[2:]), hu.device)
    for _ in range(random.integers(1, MOST_SCREWS + 1)):
        side = random.choice([-1.0, 1.0]) * random.uniform(*PEDICLE_MM)
        height = random.uniform(-SCREW_HEIGHT_MM, SCREW_HEIGHT_MM)
        middle = CENTRE + np.array([side, -random.uniform(*SCREW_BEHIND_MM), height])
        direction = np.array([random.normal(0.0, SIDEWAYS_SD), 1.0, random.normal(0.0, UPWARDS_SD)])
        offset = grid - _point(middle, hu)
        along = offset @ _point(direction / np.linalg.norm(direction), hu)
        thin = offset.square().sum(dim=-1) - along.square() < random.uniform(*SCREW_RADIUS_MM) ** 2
        screw = thin & (along.abs() < random.uniform(*SCREW_HALF_LENGTH_MM))
        hu[0, 0][screw] = random.uniform(*METAL_HU)


def _point(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device, dtype=torch.float32)

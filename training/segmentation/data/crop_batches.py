"""Random training slices of the surroundings of a vertebra: shifted, turned, stretched, re-contrasted, cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from models.types import Bytes, Floats, Singles
from training.segmentation.data.synthetic_scans import CropScan, read_crop
from workers.imaging.network_input import CHANNELS, NEIGHBOURS, marks, normalise
from workers.imaging.resampling import AIR_HU, CROP_STEP_MM
from workers.locate.segmenter import WINDOW_LOW, WINDOW_SHAPE

SLICES, SCANS = 4, 4
"""Slices taken of a scan, scans in a batch."""
REACH_MM = (-60.0, 52.0)
"""Heights about the centre that slices are taken from."""
ANYWHERE_SHARE = 0.07
"""How often the mark lies anywhere in the vertebra instead of near its body's centre: a seed that a person set."""
CENTRE_ERROR_MM = 3.5


@dataclass(frozen=True)
class CropBatches:
    """Draws batches.

    Attributes
    ----------
    paths
        Synthetic scans.
    real
        Crops of real CTs.
    real_share
        How often a real one is taken.
    seed
        A batch depends on this and its number.
    """

    paths: list[Path]
    real: list[Path] = field(default_factory=list)
    real_share: float = 0.0
    seed: int = 0

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Return slices (b, CHANNELS, h, w) and targets (b, 1, h, w), the share of a pixel within the vertebra."""
        random = np.random.default_rng((self.seed, number))
        images, targets = [], []
        for _ in range(SCANS):
            paths = self.real if self.real and random.random() < self.real_share else self.paths
            image, target = draw_slices(random, read_crop(paths[random.integers(len(paths))]))
            images.append(image)
            targets.append(target)
        return torch.cat(images), torch.cat(targets)


def draw_slices(random: np.random.Generator, crop: CropScan) -> tuple[Tensor, Tensor]:
    """Return `SLICES` augmented slices of one scan and their targets."""
    centre = crop.centre.astype(np.float64)
    error = random.normal(0.0, CENTRE_ERROR_MM, 3)
    offset = np.array(WINDOW_LOW) + 0.5 * np.array(WINDOW_SHAPE) * CROP_STEP_MM  # of the window's middle, mm
    if random.random() < ANYWHERE_SHARE:
        bone = np.argwhere(crop.inside > 127)
        error = (bone[random.integers(len(bone))] - centre) * CROP_STEP_MM
        offset[:2] = random.uniform(-20.0, 20.0, 2) - error[:2] * random.uniform(0.0, 1.0)
        offset[1] -= 24.0 * random.random()
    mark = centre + error / CROP_STEP_MM
    stretch = random.uniform(0.85, 1.2)
    low, high = (np.array(REACH_MM) - error[2]) if abs(error[2]) > 10.0 else np.array(REACH_MM)
    heights = random.uniform(low, high, SLICES)
    hu, inside = _cut(random, crop.image, crop.inside, centre)
    planes = mark[2] + (heights[:, None] / CROP_STEP_MM[2] + np.append(NEIGHBOURS, 0.0)) * stretch
    planes = np.clip(planes, 0.0, hu.shape[2] - 1.001)
    first = planes.astype(int)
    share = (planes - first).astype(np.float32)
    stack = np.empty((SLICES, len(NEIGHBOURS) + 1, *hu.shape[:2]), np.float32)
    for i in range(SLICES):
        for j in range(len(NEIGHBOURS) + 1):
            source = inside if j == len(NEIGHBOURS) else hu
            k, f = first[i, j], share[i, j]
            stack[i, j] = (1.0 - f) * source[:, :, k] + f * source[:, :, k + 1]
    stack[:, :-1] -= AIR_HU  # so that nothing, beyond the edge, is air
    stack[:, -1] /= 255.0
    turn, size = np.radians(random.normal(0.0, 7.0)), random.uniform(0.85, 1.18) * np.exp(random.normal(0.0, 0.04, 2))
    flip = -1.0 if random.random() < 0.5 else 1.0
    grid, (x, y) = _window(mark[:2], offset[:2], turn, size, flip, hu.shape[:2])
    drawn = functional.grid_sample(
        torch.from_numpy(stack),
        grid.expand(SLICES, -1, -1, -1),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=True,
    )
    image = torch.empty(SLICES, CHANNELS, *drawn.shape[2:])
    image[:, : len(NEIGHBOURS)] = torch.from_numpy(normalise(intensities(random, drawn[:, :-1].numpy() + AIR_HU)))
    centre_mark, height = marks(x[None], y[None], heights[:, None, None].astype(np.float32))
    image[:, -2], image[:, -1] = torch.from_numpy(centre_mark), torch.from_numpy(height)
    return image, drawn[:, -1:]


def _window(
    mark: Floats,
    offset: Floats,
    turn: float,
    size: Floats,
    flip: float,
    shape: tuple[int, ...],
) -> tuple[Tensor, tuple[Singles, Singles]]:
    """Return the sampling grid (1, h, w, 2) of a window about a mark, and its coordinates relative to the mark, mm."""
    h, w = WINDOW_SHAPE[:2]
    x = (offset[0] + np.arange(h) - 0.5 * h)[:, None] + np.zeros((1, w))
    y = (offset[1] + np.arange(w) - 0.5 * w)[None, :] + np.zeros((h, 1))
    c, s = np.cos(turn), np.sin(turn)
    i = mark[0] + (c * x * flip - s * y) * size[0]
    j = mark[1] + (s * x * flip + c * y) * size[1]
    grid = np.stack([2.0 * j / (shape[1] - 1) - 1.0, 2.0 * i / (shape[0] - 1) - 1.0], axis=-1)
    return torch.from_numpy(grid[None].astype(np.float32)), (x.astype(np.float32), y.astype(np.float32))


def intensities(random: np.random.Generator, hu: Singles) -> Singles:
    """Return slices (b, c, h, w) with another gain, offset, noise and blur."""
    hu = hu * np.float32(np.exp(random.normal(0.0, 0.06))) + np.float32(random.normal(0.0, 15.0))
    if random.random() < 0.2:
        hu = ndimage.gaussian_filter(hu, (0.0, 0.0, *(random.uniform(0.3, 1.0),) * 2))
    if random.random() < 0.4:
        hu += np.float32(random.uniform(5.0, 60.0)) * random.standard_normal(hu.shape, np.float32)
    return hu


def _cut(
    random: np.random.Generator, hu: NDArray[np.int16], inside: Bytes, centre: Floats
) -> tuple[NDArray[np.int16], Bytes]:
    """Now and then end the field of view near the vertebra: air beyond, and nothing to be found there."""
    if random.random() > 0.12:
        return hu, inside
    hu, inside = hu.copy(), inside.copy()
    axis, above = int(random.integers(3)), random.random() < 0.5
    at = int(centre[axis] + (1 if above else -1) * random.uniform(5.0, 60.0) / CROP_STEP_MM[axis])
    beyond = [slice(None)] * 3
    beyond[axis] = slice(max(at, 0), None) if above else slice(None, max(at, 0))
    hu[tuple(beyond)], inside[tuple(beyond)] = int(AIR_HU), 0
    return hu, inside

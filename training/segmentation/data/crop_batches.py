"""Training batches of the segmenter: random slices of crops, shifted, turned, stretched, mirrored and cut.

Ranges without a source are by judgement: they exceed what differs between people, postures and scans.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.types import Bytes, Floats, Singles
from training.segmentation.data.intensities import CROP_INTENSITIES, vary_intensities
from training.segmentation.data.reference_cases import HALF_FILLED
from training.segmentation.data.scan_files import CropScan, read_crop
from workers.imaging.network_input import CHANNELS, NEIGHBOURS, centre_channels, normalise
from workers.imaging.resampling import AIR_HU, CROP_STEP_MM
from workers.locate.segmenter import CROP_LOW, CROP_SHAPE

SLICE_SCANS, SLICES_A_SCAN = 4, 4
"""Scans in a batch, and slices taken of each."""
SLICE_HEIGHTS_MM = (-60.0, 52.0)
"""Heights over the body centre that slices are taken at: about the window of the segmenter, -58 to 49 mm."""
MARK_ERROR_MM = 3.5
"""Standard deviation of the mark about the body centre along each axis. Body centres are located to 2 mm."""
SEED_SHARE = 0.07
"""How often the mark lies anywhere in the vertebra, as a seed from a client may."""
SEED_OFFSET_MM, SEED_BEHIND_MM = 20.0, 24.0
"""How far a window about a seed is off in the plane, and further to the back: a seed may lie in a process."""
FAR_SEED_MM = 10.0
"""A mark this far above or below the body centre moves the heights, so that they remain around the vertebra."""
SLICE_STRETCH = (0.85, 1.2)
"""Distance of the slices over the true one: a vertebra is lower or higher."""
SLICE_SCALE, SLICE_ASPECT_SD = (0.85, 1.18), 0.04
"""Size of a vertebra in the plane, and the standard deviation of the logarithm of each axis' part in it."""
SLICE_TURN_DEG = 7.0
"""Standard deviation of the turn about z."""
SLICE_CUT_SHARE, SLICE_CUT_MM = 0.12, (5.0, 60.0)
"""How often the field of view ends near the vertebra, and how far from the body centre."""


@dataclass(frozen=True)
class CropBatches:
    """Draws batches of slices.

    Attributes
    ----------
    paths
        Crops of synthetic CTs.
    real
        Crops of real CTs.
    real_share
        How often a real one is taken.
    seed
        A batch depends on it and on the number of the batch alone.
    """

    paths: list[Path]
    real: list[Path] = field(default_factory=list)
    real_share: float = 0.0
    seed: int = 0

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Return slices (b, CHANNELS, h, w) and targets (b, 1, h, w), the share of a pixel inside the vertebra."""
        random = np.random.default_rng((self.seed, number))
        images, targets = [], []
        for _ in range(SLICE_SCANS):
            paths = self.real if self.real and random.random() < self.real_share else self.paths
            image, target = draw_slices(random, read_crop(paths[random.integers(len(paths))]))
            images.append(image)
            targets.append(target)
        return torch.cat(images), torch.cat(targets)


def draw_slices(random: np.random.Generator, crop: CropScan) -> tuple[Tensor, Tensor]:
    """Return `SLICES_A_SCAN` varied slices of a crop and their targets, as `CropBatches.batch` does of several."""
    centre = crop.centre.astype(np.float64)
    error, offset = _draw_mark(random, crop, centre)
    mark = centre + error / CROP_STEP_MM
    stretch = random.uniform(*SLICE_STRETCH)
    heights = _draw_heights(random, float(error[2]))
    hu, inside = _cut(random, crop.image, crop.inside, centre)
    planes = mark[2] + (heights[:, None] / CROP_STEP_MM[2] + np.append(NEIGHBOURS, 0.0)) * stretch
    stack = _interpolate_planes(hu, inside, planes)
    grid, (x, y) = _draw_grid(random, mark[:2], offset[:2], hu.shape[:2])
    sampled = functional.grid_sample(
        torch.from_numpy(stack),
        grid.expand(SLICES_A_SCAN, -1, -1, -1),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=True,
    )
    varied = vary_intensities(random, sampled[:, :-1].numpy() + AIR_HU, CROP_INTENSITIES)
    image = torch.empty(SLICES_A_SCAN, CHANNELS, *sampled.shape[2:])
    image[:, : len(NEIGHBOURS)] = torch.from_numpy(normalise(varied))
    centre_mark, height = centre_channels(x[None], y[None], heights[:, None, None].astype(np.float32))
    image[:, -2], image[:, -1] = torch.from_numpy(centre_mark), torch.from_numpy(height)
    return image, sampled[:, -1:]


def _draw_mark(random: np.random.Generator, crop: CropScan, centre: Floats) -> tuple[Floats, Floats]:
    """Return where the mark lies from the body centre, and the middle of the window from the mark; both (3,) mm."""
    error = random.normal(0.0, MARK_ERROR_MM, 3)
    offset = np.array(CROP_LOW) + 0.5 * np.array(CROP_SHAPE) * CROP_STEP_MM
    if random.random() < SEED_SHARE:
        bone = np.argwhere(crop.inside > HALF_FILLED)
        error = (bone[random.integers(len(bone))] - centre) * CROP_STEP_MM
        offset[:2] = random.uniform(-SEED_OFFSET_MM, SEED_OFFSET_MM, 2) - error[:2] * random.uniform(0.0, 1.0)
        offset[1] -= SEED_BEHIND_MM * random.random()
    return error, offset


def _draw_heights(random: np.random.Generator, error_z: float) -> Floats:
    """Return the heights (`SLICES_A_SCAN`,) mm of the slices over the mark."""
    far = abs(error_z) > FAR_SEED_MM
    low, high = (np.array(SLICE_HEIGHTS_MM) - error_z) if far else np.array(SLICE_HEIGHTS_MM)
    return random.uniform(low, high, SLICES_A_SCAN)


def _interpolate_planes(hu: NDArray[np.int16], inside: Bytes, planes: Floats) -> Singles:
    """Return HU over air, and last the share inside the vertebra, at heights `planes` (b, c) voxels: (b, c, i, j)."""
    planes = np.clip(planes, 0.0, hu.shape[2] - 1.001)  # so that there is a plane above each
    first = planes.astype(int)
    share = (planes - first).astype(np.float32)
    stack = np.empty((*planes.shape, *hu.shape[:2]), np.float32)
    last = planes.shape[1] - 1
    for i, j in np.ndindex(planes.shape):
        source = inside if j == last else hu
        k, f = first[i, j], share[i, j]
        stack[i, j] = (1.0 - f) * source[:, :, k] + f * source[:, :, k + 1]
    stack[:, :-1] -= AIR_HU  # the zeros that are padded beyond the edge are air
    stack[:, -1] /= 255.0
    return stack


def _draw_grid(
    random: np.random.Generator, mark: Floats, offset: Floats, shape: tuple[int, ...]
) -> tuple[Tensor, tuple[Singles, Singles]]:
    """Draw a turned, scaled and perhaps mirrored window.

    Parameters
    ----------
    random
        Generator of all draws.
    mark, offset
        (2,): the mark in voxels, and the middle of the window from it in mm.
    shape
        Pixels (i, j) of the slices that are sampled.

    Returns
    -------
    The sampling grid (1, h, w, 2), and the coordinates (h, w) of its pixels from the mark, mm along x and y.
    """
    turn = np.radians(random.normal(0.0, SLICE_TURN_DEG))
    size = random.uniform(*SLICE_SCALE) * np.exp(random.normal(0.0, SLICE_ASPECT_SD, 2))
    mirror = -1.0 if random.random() < 0.5 else 1.0
    h, w = CROP_SHAPE[:2]
    x = (offset[0] + np.arange(h) - 0.5 * h)[:, None] + np.zeros((1, w))
    y = (offset[1] + np.arange(w) - 0.5 * w)[None, :] + np.zeros((h, 1))
    c, s = np.cos(turn), np.sin(turn)
    i = mark[0] + (c * x * mirror - s * y) * size[0]
    j = mark[1] + (s * x * mirror + c * y) * size[1]
    grid = np.stack([2.0 * j / (shape[1] - 1) - 1.0, 2.0 * i / (shape[0] - 1) - 1.0], axis=-1)
    return torch.from_numpy(grid[None].astype(np.float32)), (x.astype(np.float32), y.astype(np.float32))


def _cut(
    random: np.random.Generator, hu: NDArray[np.int16], inside: Bytes, centre: Floats
) -> tuple[NDArray[np.int16], Bytes]:
    """Now and then end the field of view near the vertebra: beyond there is air and no target."""
    if random.random() > SLICE_CUT_SHARE:
        return hu, inside
    hu, inside = hu.copy(), inside.copy()
    axis, above = int(random.integers(3)), random.random() < 0.5
    edge = int(centre[axis] + (1 if above else -1) * random.uniform(*SLICE_CUT_MM) / CROP_STEP_MM[axis])
    beyond = [slice(None)] * 3
    beyond[axis] = slice(max(edge, 0), None) if above else slice(None, max(edge, 0))
    hu[tuple(beyond)], inside[tuple(beyond)] = int(AIR_HU), 0
    return hu, inside

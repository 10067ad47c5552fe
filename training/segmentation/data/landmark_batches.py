"""Training batches of the landmark network: random sides of vertebrae, shifted, turned, stretched and cut.

Ranges without a source are by judgement: they exceed what differs between people, postures and scans.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.types import Floats, Singles
from synthetic_ct.bone_labels import THORACOLUMBAR_LEVELS
from training.segmentation.data.intensities import CROP_INTENSITIES, vary_intensities
from training.segmentation.data.scan_files import read_crop
from workers.imaging.network_input import normalise
from workers.imaging.resampling import AIR_HU, CROP_STEP_MM
from workers.locate.landmark_network import SACRAL_POSITIONS, SIDE_LOW, SIDE_SHAPE, SacralPosition

SIDE_SCANS, SIDES_A_SCAN = 8, 4
"""Scans in a batch, and sides taken of each: as many of each kind of body that the scan shows."""
LUMBOSACRAL_SHARE = 0.3
"""How often the scan is of a lumbosacral junction: only these show the sacrum for sure."""
CENTRE_ERROR_MM, SACRAL_ERROR_MM = 2.5, 6.0
"""Standard deviations of a body centre's error along each axis. It is larger in the sacrum: the segmenter, which finds
the centres, was never trained on it."""
SIDE_TURN_DEG = 6.0
"""Standard deviation of the turn about each axis."""
SIDE_SCALE, SIDE_ASPECT_SD = (0.88, 1.15), 0.04
"""Size of the anatomy, and the standard deviation of the logarithm of each axis' part in it."""
SIDE_CUT_SHARE = 0.15
"""How often the field of view ends in a side."""
MOST_CUT = 0.4
"""Largest share of a side that is cut off."""

Kind = tuple[bool, SacralPosition]
"""Whether a body has ribs, and where it lies to the sacrum."""


@dataclass(frozen=True)
class LandmarkBatches:
    """Draws batches of sides.

    Attributes
    ----------
    paths
        Crops of synthetic CTs.
    lumbosacral
        Crops about the lumbosacral junction of synthetic CTs.
    real
        Crops of real CTs.
    real_share
        How often a real one is taken.
    seed
        A batch depends on it and on its number alone.
    """

    paths: list[Path]
    lumbosacral: list[Path] = field(default_factory=list)
    real: list[Path] = field(default_factory=list)
    real_share: float = 0.0
    seed: int = 0

    def batch(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return sides (b, 1, *SIDE_SHAPE), ribs (b,) float32, 0 or 1, and indices into `SACRAL_POSITIONS` (b,)."""
        random = np.random.default_rng((self.seed, number))
        sides, ribs, sacral = [], [], []
        for _ in range(SIDE_SCANS):
            paths = self._choose_paths(random)
            crop = read_crop(paths[random.integers(len(paths))])
            hu = torch.from_numpy(crop.image.astype(np.float32) - AIR_HU)[None, None]
            kinds = [(has_ribs(level), sacral_of(level)) for level in crop.levels]
            for kind in _balanced(kinds):
                which = int(random.choice([i for i, other in enumerate(kinds) if other == kind]))
                error = SACRAL_ERROR_MM if kind[1] == "of" else CENTRE_ERROR_MM
                sides.append(draw_side(random, hu, crop.centres[which].astype(np.float64), error))
                ribs.append(float(kind[0]))
                sacral.append(SACRAL_POSITIONS.index(kind[1]))
        return torch.stack(sides), torch.tensor(ribs), torch.tensor(sacral)

    def _choose_paths(self, random: np.random.Generator) -> list[Path]:
        if self.real and random.random() < self.real_share:
            return self.real
        return self.lumbosacral if self.lumbosacral and random.random() < LUMBOSACRAL_SHARE else self.paths


def _balanced(kinds: list[Kind]) -> list[Kind]:
    """Return `SIDES_A_SCAN` kinds, those of a scan in turn."""
    distinct = sorted(set(kinds))
    return [distinct[side % len(distinct)] for side in range(SIDES_A_SCAN)]


def has_ribs(level: str) -> bool:
    """Whether vertebrae of that level have ribs."""
    return level.startswith("T")


def sacral_of(level: str) -> SacralPosition:
    """Return where vertebrae of that level lie to the sacrum."""
    return "of" if level.startswith("S") else "on" if level == THORACOLUMBAR_LEVELS[-1] else "above"


def draw_side(random: np.random.Generator, hu: Tensor, centre: Floats, error_mm: float = CENTRE_ERROR_MM) -> Tensor:
    """Return a random side of a body, varied, as `workers.locate.landmark_network.both_sides` has it.

    Parameters
    ----------
    random
        Generator of all draws.
    hu
        (1, 1, i, j, k) float32: HU of a crop minus `AIR_HU`, so that the zeros padded beyond its edge are air.
    centre
        (3,) voxels: the body centre.
    error_mm
        Standard deviation of the error that is added to the centre along each axis.

    Returns
    -------
    (1, *SIDE_SHAPE) float32, normalised.
    """
    grid = _draw_grid(random, centre, error_mm, tuple(hu.shape[2:]))
    side = functional.grid_sample(hu, grid, mode="bilinear", padding_mode="zeros", align_corners=True)[0].numpy()
    if random.random() < SIDE_CUT_SHARE:
        _cut(random, side)
    return torch.from_numpy(normalise(vary_intensities(random, side + AIR_HU, CROP_INTENSITIES)))


def _draw_grid(random: np.random.Generator, centre: Floats, error_mm: float, shape: tuple[int, ...]) -> Tensor:
    """Return a sampling grid (1, *SIDE_SHAPE, 3) of the right or left side, turned and scaled.

    `shape` (i, j, k) is that of the crop in voxels. The left side is mirrored.
    """
    mirror = -1.0 if random.random() < 0.5 else 1.0
    middle = centre + random.normal(0.0, error_mm, 3) / CROP_STEP_MM
    turn = np.radians(random.normal(0.0, SIDE_TURN_DEG, 3))
    size = random.uniform(*SIDE_SCALE) * np.exp(random.normal(0.0, SIDE_ASPECT_SD, 3))
    matrix = _rotation(turn) * (size * [mirror, 1.0, 1.0]) / CROP_STEP_MM[:, None]
    scale = 2.0 / (np.array(shape) - 1.0)
    x, y, z = np.ogrid[tuple(slice(0, n) for n in SIDE_SHAPE)]
    offset = [SIDE_LOW[a] + CROP_STEP_MM[a] * i.astype(np.float32) for a, i in enumerate((x, y, z))]
    coordinates = [
        np.float32(scale[a] * middle[a] - 1.0) + sum(np.float32(scale[a] * matrix[a, b]) * offset[b] for b in range(3))
        for a in (2, 1, 0)
    ]
    return torch.from_numpy(np.stack(np.broadcast_arrays(*coordinates), axis=-1).astype(np.float32))[None]


def _cut(random: np.random.Generator, side: Singles) -> None:
    """End the field of view in a side (1, *SIDE_SHAPE) of HU over air, in place; never between body and side."""
    axis = int(random.integers(3))
    n = SIDE_SHAPE[axis]
    beyond = [slice(None)] * 4
    at_low_end = axis > 0 and random.random() < 0.5
    if at_low_end:
        beyond[axis + 1] = slice(None, int(random.uniform(0.0, MOST_CUT) * n))
    else:
        beyond[axis + 1] = slice(int(random.uniform(1.0 - MOST_CUT, 1.0) * n), None)
    side[tuple(beyond)] = 0.0


def _rotation(angles: Floats) -> Floats:
    """Return the rotation (3, 3) about x, then y, then z by these angles (3,), radians.

    `synthetic_ct.rotation` rounds the last digit otherwise, so batches would no longer be the same.
    """
    out = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[j, i] = np.sin(angle)
        turn[i, j] = -turn[j, i]
        out = turn @ out
    return out

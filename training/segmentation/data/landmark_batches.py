"""Random training views of one side of a vertebra: shifted, turned, stretched, re-contrasted, cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.types import Floats
from synthetic_ct.bone_labels import THORACOLUMBAR_LEVELS
from training.segmentation.data.crop_batches import intensities
from training.segmentation.data.synthetic_scans import read_crop
from workers.imaging.network_input import normalise
from workers.imaging.resampling import AIR_HU, CROP_STEP_MM
from workers.locate.landmark_network import SACRAL, SIDE_LOW, SIDE_SHAPE, Sacral

SCANS, VIEWS = 8, 4
"""Scans in a batch, views of each: of every kind of body it shows (with ribs, without, last, sacral) about as many."""
LANDMARK_SHARE = 0.3
"""How often the scan shows a lumbosacral junction."""
CENTRE_ERROR_MM, SACRAL_ERROR_MM = 2.5, 6.0
"""Standard deviation of where a body seems to be, along each axis; the segmenter does not know the sacrum's."""
CUT_SHARE = 0.15


@dataclass(frozen=True)
class LandmarkBatches:
    """Draws batches; ``junctions`` are scans of lumbosacral ones, the rest is as in `crop_batches.CropBatches`."""

    paths: list[Path]
    junctions: list[Path] = field(default_factory=list)
    real: list[Path] = field(default_factory=list)
    real_share: float = 0.0
    seed: int = 0

    def batch(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return views (b, 1, *SIDE_SHAPE), whether there is a rib (b,) float32, and the place in `SACRAL` (b,)."""
        random = np.random.default_rng((self.seed, number))
        views, ribs, sacral = [], [], []
        for _ in range(SCANS):
            paths = self._source(random)
            crop = read_crop(paths[random.integers(len(paths))])
            hu = torch.from_numpy(crop.image.astype(np.float32) - AIR_HU)[None, None]  # beyond the edge, 0: air
            kinds = [(has_ribs(level), sacral_of(level)) for level in crop.levels]
            distinct = sorted(set(kinds))
            for view in range(VIEWS):
                kind = distinct[view % len(distinct)]
                which = int(random.choice([i for i, other in enumerate(kinds) if other == kind]))
                error = SACRAL_ERROR_MM if kind[1] == "of" else CENTRE_ERROR_MM
                views.append(draw_view(random, hu, crop.centres[which].astype(np.float64), error))
                ribs.append(float(kind[0]))
                sacral.append(SACRAL.index(kind[1]))
        return torch.stack(views), torch.tensor(ribs), torch.tensor(sacral)

    def _source(self, random: np.random.Generator) -> list[Path]:
        if self.real and random.random() < self.real_share:
            return self.real
        return self.junctions if self.junctions and random.random() < LANDMARK_SHARE else self.paths


def has_ribs(level: str) -> bool:
    """Whether vertebrae of that level have ribs."""
    return level.startswith("T")


def sacral_of(level: str) -> Sacral:
    """Return where vertebrae of that level lie."""
    return "of" if level.startswith("S") else "on" if level == THORACOLUMBAR_LEVELS[-1] else "above"


def draw_view(random: np.random.Generator, hu: Tensor, centre: Floats, error_mm: float = CENTRE_ERROR_MM) -> Tensor:
    """Return one side (1, *SIDE_SHAPE) of the body about `centre` (3,) voxels; `hu` (1, 1, i, j, k) is HU over air."""
    side = -1.0 if random.random() < 0.5 else 1.0
    at = centre + random.normal(0.0, error_mm, 3) / CROP_STEP_MM
    turn = np.radians(random.normal(0.0, 6.0, 3))
    size = random.uniform(0.88, 1.15) * np.exp(random.normal(0.0, 0.04, 3))
    matrix = _rotation(turn) * (size * [side, 1.0, 1.0]) / CROP_STEP_MM[:, None]
    scale = 2.0 / (np.array(hu.shape[2:]) - 1.0)
    x, y, z = np.ogrid[tuple(slice(0, n) for n in SIDE_SHAPE)]
    offset = [SIDE_LOW[a] + CROP_STEP_MM[a] * i.astype(np.float32) for a, i in enumerate((x, y, z))]
    places = [
        np.float32(scale[a] * at[a] - 1.0) + sum(np.float32(scale[a] * matrix[a, b]) * offset[b] for b in range(3))
        for a in (2, 1, 0)
    ]
    grid = torch.from_numpy(np.stack(np.broadcast_arrays(*places), axis=-1).astype(np.float32))[None]
    view = functional.grid_sample(hu, grid, mode="bilinear", padding_mode="zeros", align_corners=True)[0].numpy()
    if random.random() < CUT_SHARE:  # the field of view ends here
        axis = int(random.integers(3))
        n = SIDE_SHAPE[axis]
        beyond = [slice(None)] * 4
        low_end = axis > 0 and random.random() < 0.5
        beyond[axis + 1] = (
            slice(None, int(random.uniform(0.0, 0.4) * n))
            if low_end
            else slice(int(random.uniform(0.6, 1.0) * n), None)
        )
        view[tuple(beyond)] = 0.0
    return torch.from_numpy(normalise(intensities(random, view + AIR_HU)))


def _rotation(angles: Floats) -> Floats:
    """Return the rotation (3, 3) about x, then y, then z by these angles (3,)."""
    out = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[j, i] = np.sin(angle)
        turn[i, j] = -turn[j, i]
        out = turn @ out
    return out

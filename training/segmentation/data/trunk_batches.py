"""Random training volumes for the localiser: a field of view cut out of a trunk, turned, mirrored, re-contrasted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from models.types import Bytes, Reals, Singles
from synthetic_ct.bone_labels import CERVICAL, PELVIS, RIB, SACRUM, THORACOLUMBAR_LEVELS, UNKNOWN
from synthetic_ct.rotation import rotation_matrix
from training.segmentation.data.synthetic_scans import TrunkScan, read_trunk
from workers.imaging.network_input import normalise
from workers.imaging.resampling import AIR_HU
from workers.locate.locator import CLASSES, DIVISOR

MOST = np.array([104, 88, 112])
"""Largest field of view a network is trained on, voxels."""
HEAT_SD = 2.0
"""Standard deviation of a centre's mark, voxels."""


def class_of_bone() -> Bytes:
    """Return the class (index into `CLASSES`) of each bone label."""
    table = np.zeros(256, np.uint8)
    for i, level in enumerate(THORACOLUMBAR_LEVELS, start=1):
        table[i] = CLASSES.index(level) if level in CLASSES else CLASSES.index("T1-T9")
    table[CERVICAL] = CLASSES.index("T1-T9")
    table[SACRUM], table[RIB], table[PELVIS] = CLASSES.index("sacrum"), CLASSES.index("rib"), 0
    table[UNKNOWN] = UNKNOWN
    return table


CLASS_OF_BONE = class_of_bone()


@dataclass(frozen=True)
class TrunkBatches:
    """Draws volumes; as `training.segmentation.data.crop_batches.CropBatches`."""

    paths: list[Path]
    real: list[Path] = field(default_factory=list)
    real_share: float = 0.0
    seed: int = 0

    def sample(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return an image (1, 1, i, j, k), its classes (1, i, j, k) and its centres' heat map (1, i, j, k)."""
        random = np.random.default_rng((self.seed, number))
        paths = self.real if self.real and random.random() < self.real_share else self.paths
        return draw_view(random, read_trunk(paths[random.integers(len(paths))]))


def draw_view(random: np.random.Generator, trunk: TrunkScan) -> tuple[Tensor, Tensor, Tensor]:
    """Return an augmented field of view of a trunk."""
    n = np.array(trunk.image.shape)
    size = np.minimum(MOST, n)
    if random.random() < 0.4:  # a spine protocol: a narrow field of view
        size[:2] = np.minimum(size[:2], random.integers(30, 56, 2))
    size[2] = min(size[2], random.integers(28, MOST[2] + 1))
    middle = trunk.centres[random.integers(len(trunk.centres))] + random.normal(0.0, [6.0, 6.0, 5.0])
    if random.random() < 0.1:
        middle = random.uniform(0.0, 1.0, 3) * n  # anything, perhaps without a spine
    stretch = np.exp(random.normal(0.0, 0.06, 3) + random.normal(0.0, 0.08))
    turn = rotation_matrix(np.radians(random.normal(0.0, 5.0, 3)))
    flip = np.array([-1.0 if random.random() < 0.5 else 1.0, 1.0, 1.0])
    middle = np.clip(middle, 0.5 * size * [0.6, 0.6, 1.0], n - 0.5 * size * [0.6, 0.6, 1.0])
    matrix = turn @ np.diag(stretch * flip)
    offset = middle - matrix @ (0.5 * (size - 1.0))
    shape = tuple(int(-(-s // DIVISOR) * DIVISOR) for s in size)
    hu = ndimage.affine_transform(
        trunk.image.astype(np.float32), matrix, offset, output_shape=tuple(size), order=1, cval=AIR_HU
    )
    bone = ndimage.affine_transform(trunk.bone, matrix, offset, output_shape=tuple(size), order=0, cval=0)
    hu = hu * np.float32(np.exp(random.normal(0.0, 0.08))) + np.float32(random.normal(0.0, 20.0))
    if random.random() < 0.3:
        hu = ndimage.gaussian_filter(hu, random.uniform(0.2, 0.8, 3))
    if random.random() < 0.5:
        hu += random.uniform(3.0, 40.0) * random.standard_normal(hu.shape, np.float32)
    image = np.full(shape, normalise(np.full(1, AIR_HU, np.float32))[0], np.float32)
    classes = np.zeros(shape, np.uint8)
    window = tuple(slice(0, s) for s in size)
    image[window], classes[window] = normalise(hu), CLASS_OF_BONE[bone]
    centres = (trunk.centres - offset) @ np.linalg.inv(matrix).T
    heat = heat_map(centres[((centres > -1.0) & (centres < size)).all(axis=1)], shape)
    return (
        torch.from_numpy(image)[None, None],
        torch.from_numpy(classes.astype(np.int64))[None],
        torch.from_numpy(heat)[None],
    )


def heat_map(centres: Reals, shape: tuple[int, ...]) -> Singles:
    """Return Gaussians of height 1 about the centres (n, 3), voxels."""
    heat = np.zeros(shape, np.float32)
    axes = [np.arange(n, dtype=np.float32) for n in shape]
    for centre in centres:
        x, y, z = (np.exp(-0.5 * ((a - c) / HEAT_SD) ** 2) for a, c in zip(axes, centre, strict=True))
        np.maximum(heat, x[:, None, None] * y[None, :, None] * z[None, None, :], out=heat)
    return heat

"""Training volumes of the locator: random fields of view of trunks, turned, stretched and mirrored.

Ranges without a source are by judgement: they exceed what differs between people, postures and scans.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from models.types import Bytes, Floats, Reals, Singles
from synthetic_ct.bone_labels import CERVICAL, PELVIS, RIB, SACRUM, THORACOLUMBAR_LEVELS, UNKNOWN
from synthetic_ct.rotation import rotation_matrix
from training.segmentation.data.intensities import TRUNK_INTENSITIES, vary_intensities
from training.segmentation.data.scan_files import TrunkScan, read_trunk
from workers.imaging.network_input import normalise
from workers.imaging.resampling import AIR_HU
from workers.locate.locator import CLASSES, DIVISOR

LARGEST_VIEW = np.array([104, 88, 112])
"""Largest field of view that the locator is trained on, voxels of 4 mm: a trunk, 45 cm high."""
LEAST_HEIGHT = 28
"""Lowest field of view, voxels: 11 cm, three lumbar vertebrae."""
NARROW_SHARE, NARROW_VIEW = 0.4, (30, 56)
"""How often a field of view is that of a spine protocol, and its sides: 12 to 22 cm, in voxels."""
VIEW_ERROR = (6.0, 6.0, 5.0)
"""Standard deviations of the middle of the field of view about a body centre, voxels."""
ANYWHERE_SHARE = 0.1
"""How often the field of view lies anywhere in the trunk, perhaps beside the spine."""
SHOWN_SHARE = np.array([0.6, 0.6, 1.0])
"""Least share of the field of view along each axis between its middle and the trunk's edge."""
VIEW_ASPECT_SD, VIEW_SCALE_SD, VIEW_TURN_DEG = 0.06, 0.08, 5.0
"""Standard deviations of the logarithms of each axis' stretch and of the size, and of the turn about each axis."""
HEAT_SD = 2.0
"""Standard deviation of the mark of a body centre, voxels: 8 mm, so that marks of neighbours stay apart."""


def class_of_bone() -> Bytes:
    """Return the class (index into `CLASSES`) of each bone label, (256,)."""
    table = np.zeros(256, np.uint8)
    for label, level in enumerate(THORACOLUMBAR_LEVELS, start=1):
        table[label] = CLASSES.index(level) if level in CLASSES else CLASSES.index("T1-T9")
    table[CERVICAL] = CLASSES.index("T1-T9")
    table[SACRUM], table[RIB], table[PELVIS] = CLASSES.index("sacrum"), CLASSES.index("rib"), 0
    table[UNKNOWN] = UNKNOWN
    return table


CLASS_OF_BONE = class_of_bone()


@dataclass(frozen=True)
class TrunkBatches:
    """Draws volumes, one a batch.

    Attributes
    ----------
    paths
        Trunks of synthetic CTs.
    real
        Trunks of real CTs.
    real_share
        How often a real one is taken.
    seed
        A sample depends on it and on its number alone.
    """

    paths: list[Path]
    real: list[Path] = field(default_factory=list)
    real_share: float = 0.0
    seed: int = 0

    def sample(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return an image (1, 1, i, j, k), its classes (1, i, j, k) and the heat map of body centres (1, i, j, k)."""
        random = np.random.default_rng((self.seed, number))
        paths = self.real if self.real and random.random() < self.real_share else self.paths
        return draw_field_of_view(random, read_trunk(paths[random.integers(len(paths))]))


def draw_field_of_view(random: np.random.Generator, trunk: TrunkScan) -> tuple[Tensor, Tensor, Tensor]:
    """Return a random field of view of a trunk, varied, as `TrunkBatches.sample` does."""
    trunk_shape = np.array(trunk.image.shape)
    size = _draw_size(random, trunk_shape)
    matrix, offset = _draw_transform(random, trunk, trunk_shape, size)
    shape = tuple(int(-(-s // DIVISOR) * DIVISOR) for s in size)
    hu = ndimage.affine_transform(
        trunk.image.astype(np.float32), matrix, offset, output_shape=tuple(size), order=1, cval=AIR_HU
    )
    bone = ndimage.affine_transform(trunk.bone, matrix, offset, output_shape=tuple(size), order=0, cval=0)
    hu = vary_intensities(random, hu, TRUNK_INTENSITIES)
    image = np.full(shape, normalise(np.full(1, AIR_HU, np.float32))[0], np.float32)
    classes = np.zeros(shape, np.uint8)
    drawn = tuple(slice(0, s) for s in size)
    image[drawn], classes[drawn] = normalise(hu), CLASS_OF_BONE[bone]
    centres = (trunk.centres - offset) @ np.linalg.inv(matrix).T
    heat = heat_map(centres[((centres > -1.0) & (centres < size)).all(axis=1)], shape)
    return (
        torch.from_numpy(image)[None, None],
        torch.from_numpy(classes.astype(np.int64))[None],
        torch.from_numpy(heat)[None],
    )


def _draw_size(random: np.random.Generator, trunk_shape: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the voxels (3,) of a field of view."""
    size = np.minimum(LARGEST_VIEW, trunk_shape)
    if random.random() < NARROW_SHARE:
        size[:2] = np.minimum(size[:2], random.integers(*NARROW_VIEW, 2))
    size[2] = min(size[2], random.integers(LEAST_HEIGHT, LARGEST_VIEW[2] + 1))
    return size


def _draw_transform(
    random: np.random.Generator, trunk: TrunkScan, trunk_shape: NDArray[np.int64], size: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return the affine map, a matrix (3, 3) and an offset (3,), from voxels of the field of view to the trunk's."""
    middle = trunk.centres[random.integers(len(trunk.centres))] + random.normal(0.0, VIEW_ERROR)
    if random.random() < ANYWHERE_SHARE:
        middle = random.uniform(0.0, 1.0, 3) * trunk_shape
    stretch = np.exp(random.normal(0.0, VIEW_ASPECT_SD, 3) + random.normal(0.0, VIEW_SCALE_SD))
    turn = rotation_matrix(np.radians(random.normal(0.0, VIEW_TURN_DEG, 3)))
    mirror = np.array([-1.0 if random.random() < 0.5 else 1.0, 1.0, 1.0])
    middle = np.clip(middle, 0.5 * size * SHOWN_SHARE, trunk_shape - 0.5 * size * SHOWN_SHARE)
    matrix = turn @ np.diag(stretch * mirror)
    return matrix, middle - matrix @ (0.5 * (size - 1.0))


def heat_map(centres: Reals, shape: tuple[int, ...]) -> Singles:
    """Return the larger of Gaussians of height 1 about the centres (n, 3) voxels, on a grid of `shape` (i, j, k)."""
    heat = np.zeros(shape, np.float32)
    axes = [np.arange(n, dtype=np.float32) for n in shape]
    for centre in centres:
        x, y, z = (np.exp(-0.5 * ((a - c) / HEAT_SD) ** 2) for a, c in zip(axes, centre, strict=True))
        np.maximum(heat, x[:, None, None] * y[None, :, None] * z[None, None, :], out=heat)
    return heat

"""The CT around a vertebra in cells of about 3 mm, and where each cell lies relative to the vertebra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.template import REGIONS, Template
from models.types import Bools, Floats, Singles
from workers.geometry.similarity import Similarity
from workers.imaging.volume import Volume

CELL_MM = 3.0
"""Voxels are averaged to cells of about this size: that removes noise, and a muscle is still many cells wide."""
HALF_HEIGHT_MM = 18.0
"""How far above and below the body's centre is looked: a level, and not the ribs of the next."""
HALF_WIDTH_MM = 230.0
"""How far to each side, to the front and to the back: every body and some air."""


@dataclass(frozen=True)
class Surroundings:
    """Cells around one vertebra.

    Attributes
    ----------
    hounsfield
        (i, j, k) float32, HU, means of the voxels of each cell.
    place
        (i, j, k, 3) float32, mm: right, anterior and superior of the centre of the vertebral body.
    steps
        (3, 3) mm: by how much the place changes from a cell to the next along i, j, k.
    padding
        (i, j, k) whether a cell has voxels that the scanner or somebody else filled.
    """

    hounsfield: Singles
    place: Singles
    steps: Floats
    padding: Bools

    @property
    def spacing(self) -> Floats:
        """(3,) mm, sides of a cell."""
        return np.asarray(np.linalg.norm(self.steps, axis=1))

    @property
    def cell_cm3(self) -> float:
        """Volume of a cell, cm^3."""
        return float(np.prod(self.spacing)) / 1000.0


def surroundings_of(points: Floats, template: Template, ct: Volume) -> Surroundings:
    """Return the cells of a CT around a subject's mesh (n, 3), mm, world RAS+."""
    pose = Similarity.between(template.nodes, points)
    centre = points[template.region == REGIONS.index("body")].mean(axis=0)
    near = _near(ct, centre)
    factor = np.maximum(np.floor(CELL_MM / near.spacing + 0.5), 1).astype(int)
    voxels = near.voxels[tuple(slice(0, n - n % f) for n, f in zip(near.voxels.shape, factor, strict=True))]
    shape = np.array(voxels.shape) // factor
    split = [side for pair in zip(shape, factor, strict=True) for side in pair]
    cells = voxels.reshape(split).mean(axis=(1, 3, 5), dtype=np.float32)
    index = np.moveaxis(np.indices(tuple(shape), np.float32), 0, -1) * factor + (factor - 1) / 2.0
    world = index @ near.affine[:3, :3].T + near.affine[:3, 3]
    place = ((world - centre) @ pose.rotation).astype(np.float32)
    steps = (near.affine[:3, :3] * factor).T @ pose.rotation
    return Surroundings(cells, place, steps, _padding(voxels, split))


def _near(ct: Volume, centre: Floats) -> Volume:
    """Return the part of a CT within the widths and heights of this file about a point."""
    inverse = np.linalg.inv(ct.affine)
    middle = inverse[:3, :3] @ centre + inverse[:3, 3]
    reach = np.abs(inverse[:3, :3]) @ np.array([HALF_WIDTH_MM, HALF_WIDTH_MM, HALF_HEIGHT_MM])
    shape = np.array(ct.voxels.shape)
    low = np.clip(np.floor(middle - reach), 0, shape - 1).astype(int)
    high = np.clip(np.ceil(middle + reach) + 1, low + 1, shape).astype(int)
    return ct.part([slice(a, b) for a, b in zip(low, high, strict=True)])


def _padding(voxels: NDArray[np.generic], split: list[int]) -> Bools:
    """Return (i, j, k) whether a cell has a voxel of the lowest value, where that is too common to be measured."""
    lowest = voxels == voxels.min()
    if lowest.mean() < 0.01:
        return np.zeros(split[::2], np.bool_)
    return np.asarray(lowest.reshape(split).any(axis=(1, 3, 5)))

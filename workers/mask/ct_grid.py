"""Bring a cleaned vertebra back onto the CT's grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.types import Bools, Bytes, Floats, Integers
from workers.imaging.binary_mask import label_box
from workers.imaging.grid import Grid
from workers.mask.cleaning import CleanMask

_ROUNDING = 1e-6  # voxels; a centre on the border of two voxels goes to the same one in every orientation


@dataclass(frozen=True)
class PlacedMask:
    """A mask on a large grid, of which only the box around it is kept.

    Attributes
    ----------
    voxels
        (i, j, k) uint8 of the box, 1 inside.
    start
        First voxel of the box on the grid.
    shape
        Of the grid.
    """

    voxels: Bytes
    start: tuple[int, int, int]
    shape: tuple[int, int, int]

    def planes(self) -> Iterator[Bytes]:
        """Yield every plane (i, j) of the grid along its third axis."""
        i, j, first = (slice(a, a + n) for a, n in zip(self.start, self.voxels.shape, strict=True))
        empty = np.zeros(self.shape[:2], np.uint8)
        for k in range(self.shape[2]):
            if first.start <= k < first.stop:
                plane = empty.copy()
                plane[i, j] = self.voxels[:, :, k - first.start]
                yield plane
            else:
                yield empty


def onto_ct_grid(clean: CleanMask, ct: Grid) -> PlacedMask:
    """Return the cleaned vertebra on the CT's full grid (the voxels of ``mask.nii.gz``), sampled at voxel centres.

    Only the box around the vertebra is visited, plane by plane.
    """
    if not clean.voxels.any():
        return PlacedMask(np.zeros((0, 0, 0), np.uint8), (0, 0, 0), ct.shape)
    to_grid = np.linalg.inv(ct.affine) @ clean.affine
    to_mask = np.asarray(np.linalg.inv(to_grid), np.float64)
    low, high = _reach(label_box(clean.voxels, None), to_grid, ct.shape)
    out = np.zeros(high - low, np.uint8, order="F")
    for plane in range(out.shape[2]):
        out[:, :, plane] = _plane(clean.voxels, to_mask, low, out.shape[:2], plane)
    return PlacedMask(out, (int(low[0]), int(low[1]), int(low[2])), ct.shape)


def _reach(box: Sequence[slice], to_grid: Floats, shape: tuple[int, int, int]) -> tuple[Integers, Integers]:
    """Return the first voxel (3,) of a grid that a box of voxels may reach, and the one after the last."""
    ends = np.array(np.meshgrid(*[(s.start - 0.5, s.stop - 0.5) for s in box])).reshape(3, -1)
    reach = to_grid[:3, :3] @ ends + to_grid[:3, 3:]
    low = np.clip(np.floor(reach.min(axis=1)), 0, shape).astype(int)
    return low, np.clip(np.ceil(reach.max(axis=1)) + 1, low, shape).astype(int)


def _plane(source: Bools, m: Floats, low: Integers, shape: tuple[int, ...], plane: int) -> Bools:
    """Return the values of `source` at the voxel centres of one plane of a box; `m` (4, 4) leads to its indices."""
    i, j = np.arange(shape[0])[:, None] + low[0], np.arange(shape[1])[None, :] + low[1]
    k = plane + low[2]
    at = [np.floor(m[a, 0] * i + m[a, 1] * j + (m[a, 2] * k + m[a, 3] + 0.5 + _ROUNDING)).astype(int) for a in range(3)]
    inside = np.logical_and.reduce([(n >= 0) & (n < size) for n, size in zip(at, source.shape, strict=True)])
    out = np.zeros(shape, np.bool_)
    out[inside] = source[at[0][inside], at[1][inside], at[2][inside]]
    return out

"""Sample a CT in any orientation on the grids of the networks (training uses the same code).

Both grids are RAS and axis-aligned in the world: 4 mm for the whole CT (locator), 1 x 1 x 1.5 mm around one vertebra.
All 48 orientations of a volume, and oblique ones, give the same samples up to rounding.
"""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.types import Floats, Singles
from workers.imaging.block_means import write_block_means
from workers.imaging.grid import merged_affine
from workers.imaging.linear_samples import interpolate
from workers.imaging.nifti_affine import world_reach
from workers.imaging.volume import Volume

COARSE_MM = 4.0
CROP_STEP_MM = np.array([1.0, 1.0, 1.5])
AIR_HU, HIGHEST_HU = -1024.0, 3071.0
"""Padding and metal are clipped to the range of a 12-bit CT."""
MARGIN_VOXELS = 3
"""Voxels of the CT beyond a crop that are read too, for interpolation and blur."""
MOST_VOXELS = 64_000_000
"""Of a CT that are copied for one crop; 128 x 128 x 132 mm, as the segmenter sees, are so many voxels of 0.32 mm."""
UPRIGHT = np.eye(3)
"""The grid's axes are those of the world."""
BLUR_PER_STEP = 0.4
"""Standard deviation of the blur before a CT is sampled more coarsely, in units of the step."""


def canonical(volume: Volume) -> Volume:
    """Return a view of the volume with its axes nearest to right, anterior, superior; nothing is copied."""
    turn = nib.io_orientation(volume.affine)
    shape = volume.voxels.shape
    affine = volume.affine @ nib.orientations.inv_ornt_aff(turn, shape)
    return Volume(nib.apply_orientation(volume.voxels, turn), affine)


def coarse(volume: Volume) -> Volume:
    """Return the whole CT at `COARSE_MM`: (i, j, k) float32 HU, first averaged over blocks of about that size.

    Memory beyond the result is that of the blocks.
    """
    ct = canonical(volume)
    low, high = world_reach(ct.voxels.shape, ct.affine)
    blocks = _block_means(ct, np.maximum(np.rint(COARSE_MM / ct.spacing), 1).astype(int))
    out = tuple(int(n) for n in np.maximum(np.ceil((high - low) / COARSE_MM - 1e-6), 1).astype(int) + 1)
    grid = sample(blocks, low, np.full(3, COARSE_MM), (out[0], out[1], out[2]), None)
    _fill_outside(ct, grid)
    return grid


def _block_means(ct: Volume, factor: NDArray[np.intp]) -> Volume:
    """Return the means over blocks of `factor` (3,) voxels, float32 HU."""
    blocks = np.empty(-(-np.array(ct.voxels.shape) // factor), np.float32)
    write_block_means(ct.voxels, factor.astype(np.int64), np.float32(AIR_HU), np.float32(HIGHEST_HU), blocks)
    return Volume(blocks, merged_affine(ct.affine, factor))


def _in_range(hu: NDArray[Any]) -> Singles:
    """Return a copy of HU, float32, clipped to the range of a 12-bit CT."""
    out = hu.astype(np.float32)
    return np.clip(out, AIR_HU, HIGHEST_HU, out=out)


def _fill_outside(ct: Volume, grid: Volume) -> None:
    """Set the voxels of a grid to air whose centre lies beyond the outermost voxels of a CT, plane by plane."""
    to_ct = np.linalg.inv(ct.affine) @ grid.affine
    i, j = np.ogrid[tuple(slice(0, n) for n in grid.voxels.shape[:2])]
    for k in range(grid.voxels.shape[2]):
        plane = grid.voxels[:, :, k]
        for row, size in zip(to_ct[:3], ct.voxels.shape, strict=True):
            index = (row[0] * i + row[1] * j + (row[2] * k + row[3])).astype(np.float32)
            plane[(index < -0.501) | (index > size - 0.499)] = AIR_HU


def crop(
    volume: Volume, low: Floats, shape: tuple[int, int, int], step: Floats = CROP_STEP_MM, turn: Floats = UPRIGHT
) -> Volume:
    """Return the CT on a grid from the world point `low` (3,) mm on: float32 HU, air beyond the CT.

    Only the needed part of the CT is copied. It is blurred where its voxels are smaller than the grid's.

    Parameters
    ----------
    volume
        The CT, any orientation.
    low, shape, step
        First point in mm RAS, number of points and their distance in mm along the grid's axes.
    turn
        (3, 3) rotation whose columns are the grid's axes in the world.
    """
    ct = canonical(volume)
    inverse = np.linalg.inv(ct.affine)
    ends = np.array(np.meshgrid(*[(0.0, s * (n - 1)) for s, n in zip(step, shape, strict=True)])).reshape(3, -1)
    corners = turn @ ends + low[:, None]
    reach = inverse[:3, :3] @ corners + inverse[:3, 3:]
    first = np.clip(np.floor(reach.min(axis=1)).astype(int) - MARGIN_VOXELS, 0, ct.voxels.shape)
    last = np.clip(np.ceil(reach.max(axis=1)).astype(int) + MARGIN_VOXELS + 1, first, ct.voxels.shape)
    if (last <= first).any():
        return Volume(np.full(shape, AIR_HU, np.float32), _grid_affine(low, step, turn))
    part = _float_part(ct.part([slice(int(a), int(b)) for a, b in zip(first, last, strict=True)]))
    wanted = np.abs(np.linalg.inv(part.affine)[:3, :3] @ turn) @ step
    blur = BLUR_PER_STEP * np.sqrt(np.maximum(wanted**2 - 1.0, 0.0))
    ndimage.gaussian_filter(part.voxels, blur, output=part.voxels)
    return sample(part, low, step, shape, turn=turn)


def _float_part(part: Volume) -> Volume:
    """Return a copy of a part of a CT, float32 HU in range; voxels are averaged until there are at most `MOST_VOXELS`.

    They are then still much smaller than the grid's.
    """
    factor = np.ones(3, int)
    while np.prod(-(-np.array(part.voxels.shape) // factor)) > MOST_VOXELS:
        factor[int((part.spacing * factor).argmin())] += 1
    return Volume(_in_range(part.voxels), part.affine) if factor.max() == 1 else _block_means(part, factor)


def sample(
    volume: Volume,
    low: Floats,
    step: Floats,
    shape: tuple[int, int, int],
    fill: float | None = AIR_HU,
    turn: Floats = UPRIGHT,
) -> Volume:
    """Interpolate a volume linearly on a world grid (see `crop`); beyond the volume `fill`, or the nearest if None."""
    to_voxel = np.linalg.inv(volume.affine) @ _grid_affine(low, step, turn)
    matrix, offset = to_voxel[:3, :3], to_voxel[:3, 3]
    out = interpolate(np.asarray(volume.voxels, np.float32), matrix, offset, shape, fill)
    return Volume(out, _grid_affine(low, step, turn))


def _grid_affine(low: Floats, step: Floats, turn: Floats) -> Floats:
    affine = np.eye(4)
    affine[:3, :3] = turn * step
    affine[:3, 3] = low
    return affine

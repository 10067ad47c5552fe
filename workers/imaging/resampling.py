"""Sample a CT in any orientation on the grids of the networks (training uses the same code).

Both grids are RAS and axis-aligned in the world: 4 mm for the whole CT (locator), 1 x 1 x 1.5 mm around one vertebra.
All 48 orientations of a volume, and oblique ones, give the same samples up to rounding.
"""

from __future__ import annotations

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from app.contract.errors import BadSpacing
from models.types import Bools, Floats
from workers.imaging.volume import Volume

COARSE_MM = 4.0
CROP_STEP_MM = np.array([1.0, 1.0, 1.5])
AIR_HU, HIGHEST_HU = -1024.0, 3071.0
"""Padding and metal are clipped to the range of a 12-bit CT."""
MAX_EXTENT_MM, MAX_WIDTH_MM = 2200.0, 900.0
"""Largest scan along the body, and across: more than a person on a table, or the field of view of a scanner."""
MARGIN_VOXELS = 3
"""Voxels of the CT beyond a crop that are read too, for interpolation and blur."""
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

    Memory beyond the result is one slab of the volume in float32.

    Raises
    ------
    BadSpacing
        The scan is larger than a person.
    """
    ct = canonical(volume)
    low, high = _extent(ct)
    blocks = _block_means(ct, np.maximum(np.rint(COARSE_MM / ct.spacing), 1).astype(int))
    out = tuple(int(n) for n in np.maximum(np.ceil((high - low) / COARSE_MM - 1e-6), 1).astype(int) + 1)
    grid = sample(blocks, low, np.full(3, COARSE_MM), (out[0], out[1], out[2]), None)
    grid.voxels[_outside(ct, grid)] = AIR_HU
    return grid


def _extent(ct: Volume) -> tuple[Floats, Floats]:
    """Return the lowest and the highest corner (3,) mm RAS of the voxel centres; refuse a scan larger than a person."""
    corners = np.array(np.meshgrid(*[(0.0, n - 1.0) for n in ct.voxels.shape])).reshape(3, -1)
    reach = ct.affine[:3, :3] @ corners + ct.affine[:3, 3:]
    low, high = reach.min(axis=1), reach.max(axis=1)
    if (high - low).max() > MAX_EXTENT_MM or (high - low)[:2].max() > MAX_WIDTH_MM:
        raise BadSpacing(
            "The scan is larger than a person, so its voxel size is wrong. Export it with the right one, or crop it.",
            expected=f"at most {MAX_WIDTH_MM:g} mm across and {MAX_EXTENT_MM:g} mm along the body",
            got=" x ".join(f"{v:.0f}" for v in high - low) + " mm",
        )
    return low, high


def _block_means(ct: Volume, factor: NDArray[np.intp]) -> Volume:
    """Return the means over blocks of `factor` (3,) voxels, float32 HU; one slab at a time is in memory."""
    shape = -(-np.array(ct.voxels.shape) // factor)
    blocks = np.empty(shape, np.float32)
    rows, columns, planes = (
        np.minimum(np.arange(n * f), size - 1) for n, f, size in zip(shape, factor, ct.voxels.shape, strict=True)
    )
    for k in range(shape[2]):
        part = ct.voxels[:, :, planes[k * factor[2] : (k + 1) * factor[2]]]
        slab = np.clip(part, AIR_HU, HIGHEST_HU).mean(axis=2, dtype=np.float32)[rows][:, columns]
        blocks[:, :, k] = slab.reshape(shape[0], factor[0], shape[1], factor[1]).mean(axis=(1, 3))
    affine = ct.affine.copy()
    affine[:3, :3] *= factor
    affine[:3, 3] += ct.affine[:3, :3] @ (0.5 * (factor - 1.0))
    return Volume(blocks, affine)


def _outside(ct: Volume, grid: Volume) -> Bools:
    """Return which voxels (i, j, k) of a grid have their centre beyond the outermost voxels of a CT."""
    to_ct = np.linalg.inv(ct.affine) @ grid.affine
    i, j, k = np.ogrid[tuple(slice(0, n) for n in grid.voxels.shape)]
    out = np.zeros(grid.voxels.shape, np.bool_)
    for row, size in zip(to_ct[:3], ct.voxels.shape, strict=True):
        index = (row[0] * i + row[1] * j + row[2] * k + row[3]).astype(np.float32)
        out |= (index < -0.501) | (index > size - 0.499)
    return out


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
    part = ct.voxels[tuple(slice(a, b) for a, b in zip(first, last, strict=True))].astype(np.float32)
    np.clip(part, AIR_HU, HIGHEST_HU, out=part)
    wanted = np.abs(inverse[:3, :3] @ turn) @ step
    ndimage.gaussian_filter(part, BLUR_PER_STEP * np.sqrt(np.maximum(wanted**2 - 1.0, 0.0)), output=part)
    affine = ct.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ first
    return sample(Volume(part, affine), low, step, shape, turn=turn)


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
    straight = np.abs(matrix - np.diag(np.diag(matrix))).max() < 1e-9
    out = ndimage.affine_transform(
        np.asarray(volume.voxels, np.float32),
        np.diag(matrix) if straight else matrix,
        offset,
        output_shape=shape,
        order=1,
        mode="nearest" if fill is None else "grid-constant",
        cval=0.0 if fill is None else fill,
    )
    return Volume(out, _grid_affine(low, step, turn))


def _grid_affine(low: Floats, step: Floats, turn: Floats) -> Floats:
    affine = np.eye(4)
    affine[:3, :3] = turn * step
    affine[:3, 3] = low
    return affine

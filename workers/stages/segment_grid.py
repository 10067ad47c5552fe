"""The grids that the segmentation networks see, sampled from a CT in any orientation (training uses the same code).

Both are RAS, axis-aligned in the world: 4 mm for the whole CT (localisation), 1 x 1 x 1.5 mm around one vertebra. All
48 orientations of a volume, and oblique ones, give the same samples up to rounding.
"""

from __future__ import annotations

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workers.stages.volume import Volume

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

COARSE_MM = 4.0
CROP_STEP_MM = np.array([1.0, 1.0, 1.5])
AIR_HU = -1024.0


def canonical(volume: Volume) -> Volume:
    """Return the volume with its axes nearest to right, anterior, superior; a view, nothing is copied."""
    turn = nib.io_orientation(volume.affine)
    shape = volume.voxels.shape
    affine = volume.affine @ nib.orientations.inv_ornt_aff(turn, shape)
    return Volume(nib.apply_orientation(volume.voxels, turn), affine)


def coarse(volume: Volume) -> Volume:
    """Return the whole CT at `COARSE_MM`: (i, j, k) float32 HU, averaged over blocks of about that size first.

    Memory beyond the result is one slab of the volume in float32.
    """
    ct = canonical(volume)
    factor = np.maximum(np.rint(COARSE_MM / ct.spacing), 1).astype(int)
    shape = -(-np.array(ct.voxels.shape) // factor)
    blocks = np.empty(shape, np.float32)
    for k in range(shape[2]):
        part = np.maximum(ct.voxels[:, :, k * factor[2] : (k + 1) * factor[2]], ct.voxels.dtype.type(AIR_HU))
        slab = part.mean(axis=2, dtype=np.float32)
        for axis in (0, 1):
            starts = np.arange(0, slab.shape[axis], factor[axis])
            sizes = np.diff(np.append(starts, slab.shape[axis])).astype(np.float32)
            slab = np.add.reduceat(slab, starts, axis=axis) / (sizes[:, None] if axis == 0 else sizes)
        blocks[:, :, k] = slab
    affine = ct.affine.copy()
    affine[:3, :3] *= factor
    affine[:3, 3] += ct.affine[:3, :3] @ (0.5 * (factor - 1.0))
    corners = np.array(np.meshgrid(*[(0.0, n - 1.0) for n in ct.voxels.shape])).reshape(3, -1)
    reach = ct.affine[:3, :3] @ corners + ct.affine[:3, 3:]
    low, high = reach.min(axis=1), reach.max(axis=1)
    out = tuple(int(n) for n in np.maximum(np.ceil((high - low) / COARSE_MM - 1e-6), 1).astype(int) + 1)
    return sample(Volume(blocks, affine), low, np.full(3, COARSE_MM), (out[0], out[1], out[2]))


def crop(volume: Volume, low: Floats, shape: tuple[int, int, int], step: Floats = CROP_STEP_MM) -> Volume:
    """Return the CT from the world point `low` (3,) mm on, `step` (3,) mm apart: float32 HU, air where there is none.

    Only the part of the CT that is needed is copied; it is blurred where its voxels are smaller than `step`.
    """
    ct = canonical(volume)
    inverse = np.linalg.inv(ct.affine)
    high = low + step * (np.array(shape) - 1)
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1)
    reach = inverse[:3, :3] @ corners + inverse[:3, 3:]
    first = np.clip(np.floor(reach.min(axis=1)).astype(int) - 3, 0, ct.voxels.shape)
    last = np.clip(np.ceil(reach.max(axis=1)).astype(int) + 4, first, ct.voxels.shape)
    if (last <= first).any():
        return Volume(np.full(shape, AIR_HU, np.float32), _placed(low, step))
    part = ct.voxels[tuple(slice(a, b) for a, b in zip(first, last, strict=True))].astype(np.float32)
    np.maximum(part, AIR_HU, out=part)
    wanted = np.abs(inverse[:3, :3]) @ step
    ndimage.gaussian_filter(part, 0.4 * np.sqrt(np.maximum(wanted**2 - 1.0, 0.0)), output=part)
    affine = ct.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ first
    return sample(Volume(part, affine), low, step, shape)


def sample(volume: Volume, low: Floats, step: Floats, shape: tuple[int, int, int], fill: float = AIR_HU) -> Volume:
    """Interpolate a volume linearly on a world grid from `low` on; `fill` outside."""
    to_voxel = np.linalg.inv(volume.affine) @ _placed(low, step)
    matrix, offset = to_voxel[:3, :3], to_voxel[:3, 3]
    straight = np.abs(matrix - np.diag(np.diag(matrix))).max() < 1e-9
    out = ndimage.affine_transform(
        np.asarray(volume.voxels, np.float32),
        np.diag(matrix) if straight else matrix,
        offset,
        output_shape=shape,
        order=1,
        mode="grid-constant",
        cval=fill,
    )
    return Volume(out, _placed(low, step))


def _placed(low: Floats, step: Floats) -> Floats:
    affine = np.diag(np.append(step, 1.0)).astype(np.float64)
    affine[:3, 3] = low
    return affine

"""Whether a mask lies on bone of this CT, and whether the CT has image all around it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from app.contract.errors import GridMismatch
from models.types import Bools, Floats
from workers.imaging.volume import Volume
from workers.mask.cleaning import CleanMask
from workers.mask.field_of_view import truncated

AROUND_MM = (2.0, 6.0)
"""What counts as the vertebra's surroundings: beyond the partial volume of its surface, before other bones."""
MIN_BONE_CONTRAST_HU = 20.0
MAX_PADDING = 0.04
"""Share of the vertebra, or of its surroundings, that may have one same value of air: padding of a scan."""
AIR_HU = -900.0
SAMPLE_MM = 0.8
"""Of a fine mask only voxels about so far apart are looked at, never nearer than half of it."""
SLAB_VOXELS = 2_000_000
"""Of the grid whose distances are computed in one go: more than that of a vertebra on 1 mm."""


def check_on_bone(clean: CleanMask, ct: Volume) -> None:
    """Refuse a mask that does not lie on bone of this CT (another scan, a flipped axis).

    Compares the median of the CT inside the vertebra with that in its surroundings, at the mask's voxel centres.

    Raises
    ------
    GridMismatch
        The mask does not lie on bone.
    VertebraTruncated
        The vertebra reaches into padding around the scan.
    """
    inside, outside = _values_in_and_around(clean, ct)
    if not len(inside) or not len(outside):
        return
    padding = max(_padding_share(inside), _padding_share(outside))
    if padding > MAX_PADDING:
        expected = f"at most {MAX_PADDING:.0%} of the vertebra's surroundings outside the scan"
        raise truncated("CT", expected, f"{padding:.0%}")
    contrast = float(np.median(inside) - np.median(outside))
    if contrast < MIN_BONE_CONTRAST_HU:
        raise GridMismatch(
            "The mask does not lie on bone of this CT. Send the mask that was made from this CT, with its affine.",
            expected=f"the vertebra at least {MIN_BONE_CONTRAST_HU:g} HU brighter than its surroundings",
            got=f"{contrast:.0f} HU",
        )


def _values_in_and_around(clean: CleanMask, ct: Volume) -> tuple[Floats, Floats]:
    """Return the CT inside the vertebra, and in its surroundings.

    The distance takes 50 bytes a voxel, so it is computed slab by slab; a slab sees as much beyond it as matters.
    """
    near, far = AROUND_MM
    i, j, k = stride = np.maximum(SAMPLE_MM // clean.spacing, 1).astype(int)
    spacing = clean.spacing * stride
    margin = np.ceil(far / spacing).astype(int)
    voxels = np.pad(clean.voxels[::i, ::j, ::k], [(m, m) for m in margin])
    affine = clean.affine.copy()
    affine[:3, :3] *= stride
    affine[:3, 3] -= affine[:3, :3] @ margin
    thick = max(1, SLAB_VOXELS // voxels[0].size)
    around = np.zeros_like(voxels)
    for start in range(0, len(voxels), thick):
        low, high = max(start - int(margin[0]), 0), start + thick + int(margin[0])
        if voxels[low:high].any():
            distance = ndimage.distance_transform_edt(~voxels[low:high], sampling=spacing)[start - low :][:thick]
            around[start : start + thick] = (distance > near) & (distance <= far)
    return _values_at(ct, affine, voxels), _values_at(ct, affine, around)


def _padding_share(values: Floats) -> float:
    """Return the share of the commonest value of `AIR_HU` or less. Lung and gas are noisy; padding is not."""
    air = values[values <= AIR_HU]
    return float(np.unique(air, return_counts=True)[1].max() / len(values)) if len(air) else 0.0


def _values_at(ct: Volume, affine: Floats, where: Bools) -> Floats:
    """Return the CT at the nearest voxel of every set voxel of another grid. Those outside the CT are left out."""
    to_ct = np.linalg.inv(ct.affine) @ affine
    values = []
    for i in range(len(where)):  # slab by slab, since an index takes 24 bytes
        j, k = np.nonzero(where[i])
        index = np.column_stack([np.full(len(j), i), j, k])
        at = np.floor(index @ to_ct[:3, :3].T + to_ct[:3, 3] + 0.5).astype(int)
        at = at[((at >= 0) & (at < np.array(ct.voxels.shape))).all(axis=1)]
        values.append(ct.voxels[at[:, 0], at[:, 1], at[:, 2]].astype(np.float64))
    return np.concatenate(values)

"""Whether a mask lies on bone of this CT, and whether the CT has image all around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from app.contract.errors import GridMismatch
from models.types import Floats
from workers.imaging.volume import Volume
from workers.mask.cleaning import CleanMask
from workers.mask.field_of_view import truncated

AROUND_MM = (2.0, 6.0)
"""What counts as the vertebra's surroundings: beyond the partial volume of its surface, before other bones."""
MIN_BONE_CONTRAST_HU = 20.0
MAX_PADDING = 0.04
"""Share of the vertebra, or of its surroundings, that may have one same value of air: padding of a scan."""
AIR_HU = -900.0


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
    near, far = AROUND_MM
    margin = [int(np.ceil(far / s)) for s in clean.spacing]
    voxels = np.pad(clean.voxels, [(m, m) for m in margin])
    distance = ndimage.distance_transform_edt(~voxels, sampling=clean.spacing)
    inside = _values_at(ct, clean.affine, np.argwhere(voxels) - margin)
    outside = _values_at(ct, clean.affine, np.argwhere((distance > near) & (distance <= far)) - margin)
    if not len(inside) or not len(outside):
        return
    padding = max(_padding_share(inside), _padding_share(outside))
    if padding > MAX_PADDING:
        expected = f"at most {MAX_PADDING:.0%} of the vertebra's surroundings outside the scan"
        raise truncated(expected, f"{padding:.0%}")
    contrast = float(np.median(inside) - np.median(outside))
    if contrast < MIN_BONE_CONTRAST_HU:
        raise GridMismatch(
            "The mask does not lie on bone of this CT. Send the mask that was made from this CT, with its affine.",
            expected=f"the vertebra at least {MIN_BONE_CONTRAST_HU:g} HU brighter than its surroundings",
            got=f"{contrast:.0f} HU",
        )


def _padding_share(values: Floats) -> float:
    """Return the share of the commonest value of `AIR_HU` or less. Lung and gas are noisy; padding is not."""
    air = values[values <= AIR_HU]
    return float(np.unique(air, return_counts=True)[1].max() / len(values)) if len(air) else 0.0


def _values_at(ct: Volume, affine: Floats, index: NDArray[np.intp]) -> Floats:
    """Return the CT at the nearest voxel of every index of another grid. Indices outside the CT are left out."""
    to_ct = np.linalg.inv(ct.affine) @ affine
    at = np.floor(index @ to_ct[:3, :3].T + to_ct[:3, 3] + 0.5).astype(int)
    at = at[((at >= 0) & (at < np.array(ct.voxels.shape))).all(axis=1)]
    return np.asarray(ct.voxels[at[:, 0], at[:, 1], at[:, 2]], np.float64)

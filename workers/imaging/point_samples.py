"""The values of a volume at any points of the world."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import ndimage

from models.types import Floats, Singles
from workers.imaging.resampling import AIR_HU
from workers.imaging.volume import Volume


def sample_points(volume: Volume, world: Floats, fill: float | None = AIR_HU) -> Singles:
    """Return the values (...) float32 of a volume in any orientation at world points (..., 3) mm RAS, linearly.

    Beyond the volume `fill`, or the nearest voxel's if None, as `workers.imaging.resampling.sample`. Nothing of the
    volume is copied: the cost is that of the points, whatever its size.
    """
    inverse = np.linalg.inv(volume.affine)
    voxels = np.moveaxis(world @ inverse[:3, :3].T + inverse[:3, 3], -1, 0)
    mode: Literal["nearest", "constant"] = "nearest" if fill is None else "constant"
    beyond = 0.0 if fill is None else fill
    return np.asarray(
        ndimage.map_coordinates(volume.voxels, voxels, np.float32, order=1, mode=mode, cval=beyond, prefilter=False)
    )

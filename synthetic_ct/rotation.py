"""Rotation matrices."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from models.types import Floats, Reals


def rotation_matrix(angles: Reals) -> Floats:
    """Return the rotation (3, 3) by `angles` (3,) about the fixed axes x, then y, then z, radians."""
    return np.asarray(Rotation.from_euler("xyz", angles).as_matrix())

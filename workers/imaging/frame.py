"""The vertebra's own frame: the world's axes, turned until the third runs along the row of bodies."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from models.types import Floats

LEAST_SINE = 1e-9
"""Of the angle between a body's axis and the vertical: below it there is nothing to turn."""


def frame_of(up: Floats) -> Floats:
    """Return the rotation (3, 3) of a vertebra's frame: its third column is `up` (3,), reached by the least turn.

    Parameters
    ----------
    up
        Along the row of bodies, any length, world RAS.
    """
    up = up / np.linalg.norm(up)
    axis = np.cross([0.0, 0.0, 1.0], up)
    sine = float(np.linalg.norm(axis))
    if sine < LEAST_SINE:
        return np.eye(3)
    return np.asarray(Rotation.from_rotvec(axis / sine * np.arctan2(sine, up[2])).as_matrix())

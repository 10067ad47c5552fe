"""The frame of a vertebra, from the row of bodies in which it lies."""

from __future__ import annotations

import numpy as np

from models.types import Floats
from workers.imaging.frame import frame_of
from workers.imaging.resampling import UPRIGHT

NEIGHBOUR_MM = 55.0
"""A body centre further away is not that of the next vertebra: pitches measure up to 36 mm, and people vary."""


def row_frame(row: Floats, centre: Floats) -> Floats:
    """Return the rotation (3, 3) of a vertebra's frame: its third column runs along the row of bodies, upwards.

    The world's axes where no neighbour was found.

    Parameters
    ----------
    row
        (n, 3) mm RAS: body centres from top to bottom.
    centre
        (3,) mm RAS of the vertebra's own, one of them.
    """
    if not len(row):
        return UPRIGHT
    away = np.linalg.norm(row - centre, axis=1)
    own = int(away.argmin())
    beside = [i for i in (own - 1, own, own + 1) if 0 <= i < len(away) and away[i] < NEIGHBOUR_MM]
    return frame_of(row[beside[0]] - row[beside[-1]]) if len(beside) > 1 else UPRIGHT

"""What the segmentation network sees of a slice: its neighbours, and where the vertebra's centre is (II.B).

Training and inference build the channels with the same code.
"""

from __future__ import annotations

import numpy as np

from models.types import Singles

NEIGHBOURS = (-4, -2, -1, 0, 1, 2, 4)
"""Slices shown beside each other, in steps of `CROP_STEP_MM` (1.5 mm)."""
CHANNELS = len(NEIGHBOURS) + 2
CENTRE_MM = 12.0
"""Standard deviation of the centre's mark."""
HEIGHT_MM = 40.0
LOW_HU, HIGH_HU = -250.0, 1250.0
MIDDLE_HU, SCALE_HU = 150.0, 300.0


def normalise(hu: Singles) -> Singles:
    """Return HU as the networks take them: clipped, about 0, float32."""
    return np.asarray((np.clip(hu, LOW_HU, HIGH_HU) - MIDDLE_HU) / SCALE_HU, np.float32)


def marks(x: Singles, y: Singles, z: Singles) -> tuple[Singles, Singles]:
    """Return the two channels that say where the centre is.

    Parameters
    ----------
    x, y, z
        Broadcastable, mm: position relative to the centre of the vertebral body.

    Returns
    -------
    A Gaussian about the centre in the slice, and the slice's height over it (in `HEIGHT_MM`), both of the full shape.
    """
    mark = np.exp(-(x**2 + y**2) / (2.0 * CENTRE_MM**2))
    height = np.clip(z / HEIGHT_MM, -2.0, 2.0)
    shape = np.broadcast_shapes(mark.shape, height.shape)
    return (
        np.ascontiguousarray(np.broadcast_to(mark, shape), np.float32),
        np.ascontiguousarray(np.broadcast_to(height, shape), np.float32),
    )

"""The input of the networks: normalised HU, neighbouring slices, and where the body centre is (paper section II.B).

Training and inference build the channels with the same code.
"""

from __future__ import annotations

import numpy as np

from models.types import Singles

NEIGHBOURS = (-4, -2, -1, 0, 1, 2, 4)
"""Slices shown as channels, relative to the slice that is segmented, in steps of `CROP_STEP_MM` (1.5 mm)."""
CHANNELS = len(NEIGHBOURS) + 2
"""The neighbouring slices, and the two of `centre_channels`."""
STRUCTURES = ("other", "vertebra", "above", "below", "sacrum", "disc")
"""What the segmenter tells apart, in the order of its outputs: the vertebra about the mark and what it touches."""
CENTRE_MM = 12.0
"""Standard deviation of the Gaussian that marks the body centre in every slice."""
HEIGHT_MM, MOST_HEIGHTS = 40.0, 2.0
"""Unit of a slice's height over the body centre, about a pitch, and how many units it may have at most."""
LOW_HU, HIGH_HU = -250.0, 1250.0
"""HU are clipped to this range: below lies air and lung, above metal and dense cortex."""
MIDDLE_HU, SCALE_HU = 150.0, 300.0
"""HU of the networks' 0, and of their unit: soft tissue to bone."""


def normalise(hu: Singles) -> Singles:
    """Return HU as the networks take them: clipped, about 0, float32."""
    return np.asarray((np.clip(hu, LOW_HU, HIGH_HU) - MIDDLE_HU) / SCALE_HU, np.float32)


def centre_channels(x: Singles, y: Singles, z: Singles) -> tuple[Singles, Singles]:
    """Return the two channels that say where the body centre is.

    Parameters
    ----------
    x, y, z
        Broadcastable, mm: position relative to the centre of the vertebral body.

    Returns
    -------
    A Gaussian about the centre in the slice, and the slice's height over it (in `HEIGHT_MM`), both of the full shape.
    """
    mark = np.exp(-(x**2 + y**2) / (2.0 * CENTRE_MM**2))
    height = np.clip(z / HEIGHT_MM, -MOST_HEIGHTS, MOST_HEIGHTS)
    shape = np.broadcast_shapes(mark.shape, height.shape)
    return (
        np.ascontiguousarray(np.broadcast_to(mark, shape), np.float32),
        np.ascontiguousarray(np.broadcast_to(height, shape), np.float32),
    )

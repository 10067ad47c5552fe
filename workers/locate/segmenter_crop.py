"""The part of a CT that the segmenter is shown, and its slices as the network takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats, Singles
from workers.imaging.network_input import CHANNELS, NEIGHBOURS, centre_channels, normalise
from workers.imaging.resampling import CROP_STEP_MM, crop
from workers.imaging.volume import Volume

CROP_LOW = (-64.0, -88.0, -58.0)
"""First voxel of the crop relative to the body centre, mm RAS: whole vertebrae fit, with their processes."""
CROP_SHAPE = (128, 128, 72)
BODY_LOW, BODY_SHAPE = (-40.0, -32.0, -33.0), (80, 80, 22)
"""The second view's crop: the body with its endplates."""
SECOND_VIEW_EVERY = 2
"""Every other slice of the second view is segmented: it is only compared, and half the voxels compare as well."""
MARGIN = max(abs(n) for n in NEIGHBOURS)
"""Slices beyond the crop that the network sees beside its outermost slices."""


@dataclass(frozen=True)
class SegmenterCrop:
    """Which part of a CT is segmented.

    Attributes
    ----------
    low
        (3,) mm: the first voxel relative to the body centre.
    shape
        Voxels that are segmented, `CROP_STEP_MM` apart.
    every
        From one slice to the next, in steps of `CROP_STEP_MM`.
    outward
        Whether slices are segmented from the body centre upwards and downwards until `EMPTY_SLICES` in a row are
        empty. What lies beyond has the probability 0.
    """

    low: tuple[float, float, float] = CROP_LOW
    shape: tuple[int, int, int] = CROP_SHAPE
    every: int = 1
    outward: bool = True

    @property
    def step(self) -> Floats:
        """(3,) mm from voxel to voxel."""
        return np.asarray(CROP_STEP_MM * [1.0, 1.0, self.every])

    @property
    def heights(self) -> Singles:
        """(k,) mm, heights of the slices over the body centre."""
        return (self.low[2] + self.step[2] * np.arange(self.shape[2])).astype(np.float32)


WHOLE, BODY = SegmenterCrop(), SegmenterCrop(BODY_LOW, BODY_SHAPE, SECOND_VIEW_EVERY)
"""Of the first view and of the second."""


class CropSlices:
    """The crop of a CT as the network takes it, slice by slice.

    Attributes
    ----------
    affine
        (4, 4) from the crop's voxels to the world.
    """

    def __init__(self, ct: Volume, centre: Floats, part: SegmenterCrop, turn: Floats) -> None:
        self._part = part
        first = centre + turn @ np.array(part.low)
        beyond = turn @ np.array([0.0, 0.0, MARGIN * CROP_STEP_MM[2]])
        planes = (part.shape[2] - 1) * part.every + 1 + 2 * MARGIN
        self._hu = normalise(crop(ct, first - beyond, (*part.shape[:2], planes), turn=turn).voxels)
        self.affine = np.eye(4)
        self.affine[:3, :3] = turn * part.step
        self.affine[:3, 3] = first

    def of(self, planes: range) -> Singles:
        """Return the input (len(planes), CHANNELS, i, j) of some slices."""
        part = self._part
        slices = np.empty((len(planes), CHANNELS, *part.shape[:2]), np.float32)
        seen = part.every * np.array(planes) + MARGIN
        for channel, step in enumerate(NEIGHBOURS):
            slices[:, channel] = self._hu[:, :, seen + step].transpose(2, 0, 1)
        x, y = ((part.low[a] + part.step[a] * np.arange(part.shape[a])).astype(np.float32) for a in range(2))
        z = part.heights[planes.start : planes.stop, None, None]
        slices[:, -2], slices[:, -1] = centre_channels(x[None, :, None], y[None, None, :], z)
        return slices

"""The CT about the vertebra as ``viewer.html`` shows it in three planes: grey values, and what the mask holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.types import Floats
from workers.imaging.resampling import crop, sample
from workers.imaging.volume import Volume
from workers.mask.cleaning import CleanMask
from workers.results.voxel_grid import base64_of

SLICE_MM = 1.0
"""Spacing of the slices and of their pixels: of clinical CTs few are finer along the spine."""
ROOM_MM = 12.0
"""Shown about the vertebra on every side: discs and the next endplates."""
WINDOW_HU = (-250.0, 1250.0)
"""Black and white: the bone window that radiologists use, level 500, width 1500."""
INSIDE = 0.5
"""Share of the mask in a pixel from which it counts as inside."""


@dataclass(frozen=True)
class CtSlices:
    """The CT (HU) and the mask of the vertebra in it."""

    ct: Volume
    vertebra: CleanMask

    def page_data(self, origin: Floats) -> dict[str, Any]:
        """Return both on one grid of `SLICE_MM`, x fastest: a byte a voxel and a bit a voxel, base64.

        `first` is the first voxel's centre in mm from `origin` (3,), RAS+.
        """
        held = np.argwhere(self.vertebra.voxels)
        corners = np.array(np.meshgrid(*zip(held.min(axis=0), held.max(axis=0), strict=True))).reshape(3, -1)
        world = self.vertebra.affine[:3, :3] @ corners + self.vertebra.affine[:3, 3:]
        low = world.min(axis=1) - ROOM_MM
        i, j, k = (int(n) for n in np.ceil((world.max(axis=1) + ROOM_MM - low) / SLICE_MM) + 1)
        step = np.full(3, SLICE_MM)
        hu = crop(self.ct, low, (i, j, k), step).voxels
        mask = Volume(self.vertebra.voxels.astype(np.float32), self.vertebra.affine)
        inside = sample(mask, low, step, (i, j, k), 0.0).voxels > INSIDE
        black, white = WINDOW_HU
        grey = np.clip((hu - black) / (white - black) * 255 + 0.5, 0, 255).astype(np.uint8)
        return {
            "shape": [i, j, k],
            "first": (low - origin).tolist(),
            "spacing": SLICE_MM,
            "grey": base64_of(grey.transpose(2, 1, 0)),
            "inside": base64_of(np.packbits(inside.transpose(2, 1, 0), bitorder="little")),
        }

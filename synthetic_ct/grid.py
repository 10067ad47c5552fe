"""The regular grid that a synthetic person is drawn on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats, Reals, Singles

Box = tuple[slice, slice, slice]
"""A box of voxels, as slices along x, y and z."""


@dataclass(frozen=True)
class Grid:
    """A regular grid: world = origin + spacing * index.

    Attributes
    ----------
    origin
        (3,) mm RAS: centre of voxel (0, 0, 0).
    shape
        Number of voxels along x, y and z.
    spacing
        Distance of neighbouring voxels along every axis, mm: 1 around one vertebra, 2 for a torso.
    """

    origin: Floats
    shape: tuple[int, int, int]
    spacing: float

    @classmethod
    def around(cls, low: Reals, high: Reals, spacing: float) -> Grid:
        """Return the grid that covers the box of the world from `low` (3,) to `high` (3,), mm RAS."""
        shape = np.maximum(np.ceil((np.asarray(high) - low) / spacing).astype(int) + 1, 2)
        return cls(np.asarray(low, np.float64), (int(shape[0]), int(shape[1]), int(shape[2])), spacing)

    @property
    def axes(self) -> list[Singles]:
        """World coordinates along x (n, 1, 1), y (1, n, 1) and z (1, 1, n), float32, mm."""
        return [
            (self.origin[a] + self.spacing * np.arange(n, dtype=np.float32))
            .astype(np.float32)
            .reshape([-1 if b == a else 1 for b in range(3)])
            for a, n in enumerate(self.shape)
        ]

    def box(self, low: Floats, high: Floats) -> Box | None:
        """Return the voxels between two corners (3,) of the world, mm, or None where the grid has none there."""
        first = np.maximum(np.floor((low - self.origin) / self.spacing).astype(int), 0)
        last = np.minimum(np.ceil((high - self.origin) / self.spacing).astype(int) + 1, self.shape)
        if (last <= first).any():
            return None
        return slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2])

    def part(self, box: Box) -> Grid:
        """Return the grid of a box of voxels."""
        start = np.array([s.start for s in box])
        shape = tuple(int(s.stop - s.start) for s in box)
        return Grid(self.origin + self.spacing * start, (shape[0], shape[1], shape[2]), self.spacing)

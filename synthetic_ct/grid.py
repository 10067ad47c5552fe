"""The regular grid that a synthetic person is drawn on, and what is drawn with: solids, chains of balls, noise.

RAS, the same spacing along all axes: 1 mm around one vertebra, 2 mm for a trunk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from models.types import Bools, Bytes, Floats, Reals, Singles


@dataclass(frozen=True)
class Grid:
    """A regular grid: world = origin + spacing * index (mm, RAS)."""

    origin: Floats
    shape: tuple[int, int, int]
    spacing: float

    @classmethod
    def around(cls, low: Reals, high: Reals, spacing: float) -> Grid:
        """Cover a box of the world."""
        shape = np.maximum(np.ceil((np.asarray(high) - low) / spacing).astype(int) + 1, 2)
        return cls(np.asarray(low, np.float64), (int(shape[0]), int(shape[1]), int(shape[2])), spacing)

    @property
    def axes(self) -> list[Singles]:
        """World coordinates along x (n, 1, 1), y (1, n, 1) and z (1, 1, n), mm."""
        return [
            (self.origin[a] + self.spacing * np.arange(n, dtype=np.float32))
            .astype(np.float32)
            .reshape([-1 if b == a else 1 for b in range(3)])
            for a, n in enumerate(self.shape)
        ]

    def window(self, low: Floats, high: Floats) -> tuple[slice, slice, slice] | None:
        """Return the part of the grid in a box of the world, or None."""
        first = np.maximum(np.floor((low - self.origin) / self.spacing).astype(int), 0)
        last = np.minimum(np.ceil((high - self.origin) / self.spacing).astype(int) + 1, self.shape)
        if (last <= first).any():
            return None
        return slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2])

    def part(self, window: tuple[slice, slice, slice]) -> Grid:
        """Return the grid of a window."""
        start = np.array([s.start for s in window])
        shape = tuple(int(s.stop - s.start) for s in window)
        return Grid(self.origin + self.spacing * start, (shape[0], shape[1], shape[2]), self.spacing)


def solid(points: Floats, triangles: NDArray[np.int64], grid: Grid) -> tuple[tuple[slice, slice, slice], Bools] | None:
    """Return the window of `grid` around a closed surface and which of its voxels lie inside; None if off the grid."""
    window = grid.window(points.min(axis=0) - 2.0 * grid.spacing, points.max(axis=0) + 2.0 * grid.spacing)
    if window is None:
        return None
    part = grid.part(window)
    image = pv.ImageData(dimensions=part.shape, spacing=(grid.spacing,) * 3, origin=part.origin)
    surface = pv.PolyData.from_regular_faces(points, triangles)
    filled = surface.voxelize_binary_mask(reference_volume=image)
    return window, np.asarray(filled["mask"]).reshape(part.shape, order="F") > 0


def paint(points: Floats, radii: Floats, grid: Grid, volume: Bytes, value: int) -> None:
    """Set the voxels of a chain of balls, ``points`` (n, 3) and ``radii`` (n,) mm, where `volume` is 0; 0 clears."""
    reach = float(radii.max())
    for point, radius in zip(points, radii, strict=True):
        window = grid.window(point - reach, point + reach)
        if window is None:
            continue
        x, y, z = grid.part(window).axes
        ball = (x - point[0]) ** 2 + (y - point[1]) ** 2 + (z - point[2]) ** 2 < radius**2
        part = volume[window]
        part[ball & ((part == 0) | (value == 0))] = value

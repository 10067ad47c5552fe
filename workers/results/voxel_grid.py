"""The values in the bone on a regular grid, which ``viewer.html`` shows on cuts and over the CT."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from models.types import Floats

VOXEL_MM = 1.5
"""Spacing of the values on a cut. The tetrahedra measure about 1 mm; a quantity takes 0.2 MB of the page."""
VOXEL_PERCENTILES = (0.2, 99.8)
"""Of the nodal values: what lies beyond is clipped on a cut, so that 255 steps resolve the rest."""
LEAST_RANGE = 1e-9
"""Of the values on a cut, in their unit, so that a field that is the same everywhere has one."""


class VoxelGrid:
    """The grid of the values on cuts. A voxel has the mean of the nodes in it, or the value of the nearest with nodes.

    Parameters
    ----------
    points
        (n, 3) nodes, mm.
    """

    def __init__(self, points: Floats) -> None:
        self.first = points.min(axis=0)
        index = np.rint((points - self.first) / VOXEL_MM).astype(np.int64)
        self.shape = index.max(axis=0) + 1
        self._voxel = np.ravel_multi_index(tuple(index[:, ::-1].T), tuple(self.shape[::-1]))  # x fastest, as in WebGL
        self._count = np.bincount(self._voxel, minlength=int(self.shape.prod()))
        empty = (self._count == 0).reshape(self.shape[::-1])
        nearest = distance_transform_edt(empty, return_distances=False, return_indices=True)
        self._nearest = np.ravel_multi_index(tuple(nearest.reshape(3, -1)), empty.shape)

    def description(self, origin: Floats) -> dict[str, Any]:
        """Return shape, place of the first voxel's centre (mm from `origin`) and spacing (mm)."""
        return {"shape": self.shape.tolist(), "first": (self.first - origin).tolist(), "spacing": VOXEL_MM}

    def values(self, nodal: Floats) -> dict[str, Any]:
        """Return a quantity (n,) on the grid, one byte a voxel, and the values of the bytes 0 and 255."""
        low, high = (float(v) for v in np.percentile(nodal, VOXEL_PERCENTILES))
        high = max(high, low + LEAST_RANGE)
        mean = np.bincount(self._voxel, nodal, len(self._count)) / np.maximum(self._count, 1)
        steps = np.clip((mean[self._nearest] - low) / (high - low) * 255 + 0.5, 0, 255).astype(np.uint8)
        return {"voxels": base64_of(steps), "voxelLimits": [low, high]}


def base64_of(array: NDArray[Any]) -> str:
    """Return the bytes of an array, base64."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")

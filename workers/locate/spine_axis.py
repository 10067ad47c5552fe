"""Where the spine runs: a curve along the vertebral bodies, from the locator's mark."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from models.types import Floats, Singles

LEAST_MARK = 0.3
"""From this value of the locator's mark a voxel belongs to the spine."""
GROWN_VOXELS = 4
"""Marked regions of one spine are each grown by so many voxels to meet across a gap."""
SMOOTHING_MM = 12.0
"""Standard deviation of the smoothing along the axis, about half a body's height."""
BEYOND_MM = 30.0
"""How far the axis goes on straight beyond its marked ends: the last body may be unmarked."""
FOLLOWED_MM = 10.0
"""How far a point may lie beside the axis, in the axial plane, when it is moved along it."""


@dataclass(frozen=True)
class SpineAxis:
    """The curve along the vertebral bodies: ``points`` (n, 3) mm RAS from bottom to top."""

    points: Floats

    def along(self, start: Floats, distance: float) -> Floats | None:
        """Return the point (3,) `distance` mm above `start` (3,), or below it where `distance` is negative.

        None further than `BEYOND_MM` beyond the ends.
        """
        index = int(np.linalg.norm(self.points - start, axis=1).argmin())
        length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.points, axis=0), axis=1))])
        wanted = length[index] + distance
        inside = float(np.clip(wanted, 0.0, length[-1]))
        if abs(wanted - inside) > BEYOND_MM:
            return None
        on_axis = np.array([np.interp(inside, length, self.points[:, a]) for a in range(3)])
        if wanted != inside:
            inner = np.array([np.interp(abs(inside - BEYOND_MM), length, self.points[:, a]) for a in range(3)])
            on_axis += abs(wanted - inside) * (on_axis - inner) / max(float(np.linalg.norm(on_axis - inner)), 1e-6)
        beside = (start - self.points[index]) * [1.0, 1.0, 0.0]
        return np.asarray(on_axis + beside * min(1.0, FOLLOWED_MM / max(float(np.linalg.norm(beside)), 1e-6)))

    def distance_beside(self, point: Floats) -> float:
        """Return how far a point (3,) mm is from the axis in the axial plane, mm."""
        index = int(np.abs(self.points[:, 2] - point[2]).argmin())
        return float(np.linalg.norm((point - self.points[index])[:2]))


def trace_spine_axis(mark: Singles, affine: Floats) -> SpineAxis | None:
    """Return the curve through the largest marked region, slice by slice; None where nothing is marked.

    Parameters
    ----------
    mark, affine
        Of `workers.locate.locator.LocatorMaps`.
    """
    marked = mark > LEAST_MARK
    pieces, count = ndimage.label(ndimage.binary_dilation(marked, iterations=GROWN_VOXELS))
    if not count:
        return None
    sizes = ndimage.sum_labels(marked, pieces, np.arange(1, count + 1))
    own = marked & (pieces == int(np.argmax(sizes)) + 1)
    spine = np.where(own, np.square(mark), 0.0).astype(np.float64)
    weight = spine.sum(axis=(0, 1))
    heights = np.flatnonzero(weight > 0.0)
    i, j = np.ogrid[: spine.shape[0], : spine.shape[1]]
    voxels = np.array(
        [[(spine[:, :, k] * i).sum() / weight[k], (spine[:, :, k] * j).sum() / weight[k], k] for k in heights]
    )
    points = voxels @ affine[:3, :3].T + affine[:3, 3]
    step = float(np.linalg.norm(affine[:3, 2]))
    points[:, :2] = ndimage.gaussian_filter1d(points[:, :2], SMOOTHING_MM / step, axis=0, mode="nearest")
    return SpineAxis(points)

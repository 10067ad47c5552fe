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
MOST_REGIONS, LEAST_REGION = 3, 0.2
"""So many marked regions may be the spine, and how large they are at least beside the largest."""


@dataclass(frozen=True)
class SpineAxis:
    """A curve along the vertebral bodies: ``points`` (n, 3) mm RAS, in order."""

    points: Floats


def trace_spine_axes(mark: Singles, affine: Floats) -> list[SpineAxis]:
    """Return the curves through the largest marked regions, slice by slice, the largest first; most scans have one.

    Parameters
    ----------
    mark, affine
        Of `workers.locate.locator.LocatorMaps`.
    """
    marked = mark > LEAST_MARK
    pieces, count = ndimage.label(ndimage.binary_dilation(marked, iterations=GROWN_VOXELS))
    sizes = np.asarray(ndimage.sum_labels(marked, pieces, np.arange(1, count + 1)))
    largest = [i for i in np.argsort(-sizes)[:MOST_REGIONS] if sizes[i] > LEAST_REGION * sizes.max()]
    return [_trace(np.where(marked & (pieces == i + 1), mark, 0.0), affine) for i in largest]


def _trace(mark: Singles, affine: Floats) -> SpineAxis:
    """Return the curve through one marked region (i, j, k), zero elsewhere."""
    spine = np.square(mark, dtype=np.float64)
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

"""Run the row network over a tube along the spine: it marks every vertebral body, the discs and the sacrum at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from models.types import Floats, Singles
from workers.imaging.network_input import normalise
from workers.imaging.resampling import AIR_HU, crop
from workers.imaging.volume import Volume
from workers.locate.spine_axis import SpineAxis

ROW_MM = 2.0
"""Voxel side of the tube: bodies and discs are plain at 2 mm, at an eighth of the cost of 1 mm."""
ROW_LOW, ROW_SHAPE = (-32.0, -56.0), (32, 48)
"""First voxel of each slice of the tube relative to the axis, mm right and anterior, and its voxels: body and arch."""
ROW_OUTPUTS = ("body", "disc", "sacrum")
"""What the network marks: body centres by a Gaussian each, discs and sacrum by the share of each voxel."""
BODY = ROW_OUTPUTS.index("body")
ROW_DIVISOR = 8
"""The network halves its grid three times."""
SLOPE_MM, STEEPEST = 45.0, 0.7
"""The slope of the axis' end is taken over this height, and is no steeper: 0.7 is 35 degrees."""
PIECE = 64
"""Slices that are cut out of the CT at once: a long or slanting axis needs no more memory than a short one."""
PEAK_SMOOTHING = 0.7
"""Standard deviation, voxels, of the blur before peaks are looked for: a flat top is one peak."""
MOST_PEAKS = 200
"""A spine has 24 bodies; of an image that is none, so many of the highest peaks are looked at."""
AROUND_VOXELS = 3
"""A body's centre is the mean of the squared mark within so many voxels of the peak."""


@dataclass(frozen=True)
class Tube:
    """A stack of axial slices, each shifted so that the axis runs through its middle.

    Attributes
    ----------
    hu
        (*ROW_SHAPE, n) float32, `ROW_MM` apart, right, anterior, superior.
    first
        (n, 3) mm RAS: the first voxel of each slice.
    """

    hu: Singles
    first: Floats

    def world(self, voxels: Floats) -> Floats:
        """Return the points (n, 3) mm RAS of voxels (n, 3)."""
        heights = np.arange(len(self.first), dtype=np.float64)
        first = np.stack([np.interp(voxels[:, 2], heights, self.first[:, a]) for a in range(3)], axis=1)
        return np.asarray(first + ROW_MM * voxels * [1.0, 1.0, 0.0])

    def middle(self, voxels: Floats) -> Floats:
        """Return the points (n, 3) mm RAS of the axis at the heights of voxels (n, 3)."""
        on_axis = np.column_stack([np.tile(-np.array(ROW_LOW) / ROW_MM, (len(voxels), 1)), voxels[:, 2]])
        return self.world(on_axis)


def tube_along(ct: Volume, axis: SpineAxis, beyond: float) -> Tube:
    """Return the tube of a CT along an axis, and so many mm beyond its ends, where it runs straight on."""
    points = axis.points[np.argsort(axis.points[:, 2])]
    points = np.concatenate([_straight_on(points, -beyond), points, _straight_on(points[::-1], beyond)])
    low = float(points[0, 2])
    heights = np.arange(low, points[-1, 2] + ROW_MM, ROW_MM)
    middle = np.stack([np.interp(heights, points[:, 2], points[:, a]) for a in range(2)], axis=1)
    hu = np.empty((*ROW_SHAPE, len(heights)), np.float32)
    first = np.empty((len(heights), 3))
    for start in range(0, len(heights), PIECE):
        part = slice(start, start + PIECE)
        hu[:, :, part], first[part] = _piece(ct, middle[part], heights[part])
    return Tube(hu, first)


def _piece(ct: Volume, middle: Floats, heights: Floats) -> tuple[Singles, Floats]:
    """Return some slices of a tube (*ROW_SHAPE, n) and their first voxels (n, 3) mm; `middle` is (n, 2) mm."""
    low = np.floor(middle.min(axis=0) / ROW_MM) * ROW_MM + ROW_LOW
    shift = np.rint((middle + ROW_LOW - low) / ROW_MM).astype(int)
    size = shift.max(axis=0) + ROW_SHAPE
    box = crop(ct, np.append(low, heights[0]), (int(size[0]), int(size[1]), len(heights)), np.full(3, ROW_MM))
    hu = np.empty((*ROW_SHAPE, len(heights)), np.float32)
    for k, (i, j) in enumerate(shift):
        hu[:, :, k] = box.voxels[i : i + ROW_SHAPE[0], j : j + ROW_SHAPE[1], k]
    return hu, np.column_stack([low + ROW_MM * shift, heights])


class RowNetwork:
    """Runs the network.

    Parameters
    ----------
    session
        ONNX Runtime session: ``tube`` (b, 1, *ROW_SHAPE, n) to ``marks`` (b, len(ROW_OUTPUTS), *ROW_SHAPE, n),
        between 0 and 1.
    """

    def __init__(self, session: Any) -> None:
        self.session = session

    def marks(self, hu: Singles) -> Singles:
        """Return the marks (len(ROW_OUTPUTS), i, j, k) of a tube (i, j, k) of HU: the mean over it and its mirror."""
        n = hu.shape[2]
        padded = np.pad(hu, ((0, 0), (0, 0), (0, -n % ROW_DIVISOR)), constant_values=AIR_HU)
        image = normalise(padded)
        both = np.ascontiguousarray(np.stack([image, image[::-1]])[:, None])
        (marks,) = self.session.run(["marks"], {"tube": both})
        return np.asarray(0.5 * (marks[0] + marks[1][:, ::-1]), np.float32)[..., :n]


def _straight_on(points: Floats, rise: float) -> Floats:
    """Return the point (1, 3) `rise` mm above the first of `points` (n, 3), along the slope of the axis there."""
    end = points[0]
    inner = points[np.abs(points[:, 2] - end[2]) <= SLOPE_MM][-1]
    run = end[2] - inner[2]
    slope = (end - inner) / run if run else np.array([0.0, 0.0, 1.0])
    across = slope[:2] * min(1.0, STEEPEST / max(float(np.linalg.norm(slope[:2])), STEEPEST))
    return np.asarray(end + rise * np.append(across, 1.0))[None]


def peaks(heat: Singles, least: float, apart: float) -> Floats:
    """Return the voxels (n, 3) about which `heat` (i, j, k) is largest, to a fraction of a voxel.

    Parameters
    ----------
    heat
        Mark of the bodies.
    least
        Value of the lowest peak that counts.
    apart
        Voxels: the lower of two peaks that are nearer does not count.
    """
    smooth = ndimage.gaussian_filter(heat, PEAK_SMOOTHING)
    plateaus, count = ndimage.label((smooth == ndimage.maximum_filter(smooth, size=3)) & (heat >= least))
    tops = np.array(ndimage.maximum_position(smooth, plateaus, np.arange(1, count + 1)), np.intp).reshape(-1, 3)
    order = np.argsort(-smooth[tuple(tops.T)], kind="stable")
    found: list[Floats] = []
    for voxel in tops[order[:MOST_PEAKS]]:
        if all(np.linalg.norm(voxel - other) >= apart for other in found):
            found.append(voxel.astype(np.float64))
    return np.array([_middle(heat, voxel) for voxel in found]).reshape(-1, 3)


def _middle(heat: Singles, voxel: Floats) -> Floats:
    """Return the mean voxel (3,) of the mark within `AROUND_VOXELS` of a peak (3,)."""
    low = np.maximum(voxel.astype(int) - AROUND_VOXELS, 0)
    part = heat[tuple(slice(a, int(v) + AROUND_VOXELS + 1) for a, v in zip(low, voxel, strict=True))]
    weight = np.square(part, dtype=np.float64)
    grid = np.moveaxis(np.indices(part.shape), 0, -1) + low
    weight = weight * (np.square(grid - voxel).sum(axis=-1) <= AROUND_VOXELS**2)
    return np.asarray((weight[..., None] * grid).sum(axis=(0, 1, 2)) / weight.sum())

"""Segment one vertebra slice by slice around its localised centre (paper section II.B)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from models.types import Bools, Floats
from workers.imaging.network_input import CHANNELS, NEIGHBOURS, marks, normalise
from workers.imaging.resampling import CROP_STEP_MM, crop, sample
from workers.imaging.volume import Volume

WINDOW_LOW = (-64.0, -88.0, -58.0)
"""First voxel of the window relative to the centre of the vertebral body, mm RAS."""
WINDOW_SHAPE = (128, 128, 72)
BODY_LOW, BODY_SHAPE, BODY_STEP = (-64.0, -88.0, -27.0), (128, 128, 37), 2
"""Window about a point in a body, and which of its slices are looked at."""
BODY_REACH_MM = 24.0
LEAST_BODY_MM = 6.0
"""A ball of this radius fits into a vertebral body that is no worse than crushed, hardly into an arch."""
BATCH = 8
MARGIN = max(abs(n) for n in NEIGHBOURS)
MASK_MM = 1.0
"""Voxel side of the mask."""
INSIDE = 0.4
"""Probability from which a voxel is in the mask. At 0.5 tips of processes were lost that at 0.4 are not, with as much
overlap (a trial on 14 synthetic vertebrae of people held out)."""
NEIGHBOUR_EVERY = 2
"""Of the neighbours every so many-th slice is segmented."""
THICKNESS_POWER = 6


class Segmenter:
    """Runs the network.

    Parameters
    ----------
    session
        ONNX Runtime session of the exported network: ``slices`` (b, CHANNELS, h, w) to ``probability`` (b, 1, h, w).
    """

    def __init__(self, session: Any) -> None:
        self.session = session

    def probability(
        self,
        ct: Volume,
        centre: Floats,
        low: tuple[float, float, float] = WINDOW_LOW,
        shape: tuple[int, int, int] = WINDOW_SHAPE,
        every: int = 1,
    ) -> Volume:
        """Return the probability (i, j, k) float32 that a voxel belongs to the vertebra about `centre` (3,) mm RAS.

        Parameters
        ----------
        ct
            HU, any orientation.
        centre
            Centre of the vertebral body, or any point in the vertebra with a window about it.
        low, shape
            The window: first voxel relative to `centre` in mm, voxels `CROP_STEP_MM` apart.
        every
            Only every so many-th slice is segmented, and returned.
        """
        first = np.asarray(centre, np.float64) + low
        beyond = np.array([0.0, 0.0, MARGIN * CROP_STEP_MM[2]])
        seen = crop(ct, first - beyond, (shape[0], shape[1], shape[2] + 2 * MARGIN))
        hu = normalise(seen.voxels)
        x, y, z = ((low[a] + CROP_STEP_MM[a] * np.arange(shape[a])).astype(np.float32) for a in range(3))
        chosen = np.arange(0, shape[2], every)
        out = np.empty((*shape[:2], len(chosen)), np.float32)
        for start in range(0, len(chosen), BATCH):
            planes = chosen[start : start + BATCH]
            slices = np.empty((len(planes), CHANNELS, *shape[:2]), np.float32)
            for c, step in enumerate(NEIGHBOURS):
                slices[:, c] = hu[:, :, planes + MARGIN + step].transpose(2, 0, 1)
            slices[:, -2], slices[:, -1] = marks(x[None, :, None], y[None, None, :], z[planes][:, None, None])
            found = self.session.run(["probability"], {"slices": slices})[0]
            out[:, :, start : start + BATCH] = found[:, 0].transpose(1, 2, 0)
        affine = np.diag([*CROP_STEP_MM[:2], every * CROP_STEP_MM[2], 1.0])
        affine[:3, 3] = first
        return Volume(out, affine)

    def probability_among(self, ct: Volume, centre: Floats, neighbours: Sequence[Floats]) -> Volume:
        """Return what `probability` does, but 0 where a voxel rather belongs to one of the neighbours.

        Parameters
        ----------
        ct, centre
            See `probability`.
        neighbours
            Centres (3,) mm RAS of the bodies above and below. Between crushed vertebrae and at worn facets slices of
            them were taken for the vertebra's own.
        """
        own = self.probability(ct, centre)
        shape, voxels = own.voxels.shape, own.voxels
        for neighbour in neighbours:
            other = self.probability(ct, neighbour, every=NEIGHBOUR_EVERY)
            there = sample(other, own.affine[:3, 3], own.spacing, (shape[0], shape[1], shape[2]), 0.0).voxels
            voxels = np.where(there > own.voxels, 0.0, voxels).astype(np.float32)
        return Volume(voxels, own.affine)

    def body_at(self, ct: Volume, point: Floats) -> Floats | None:
        """Return the centre (3,) mm RAS of the body of the vertebra about `point` (3,), from its middle slices alone.

        None where hardly any bone of a body is there. What is `BODY_REACH_MM` to the side or behind is not looked at:
        of a crushed vertebra the spinous process is thicker than the body.
        """
        found = self.probability(ct, point, BODY_LOW, BODY_SHAPE, BODY_STEP)
        pieces, count = ndimage.label(found.voxels > 0.5)
        if not count:
            return None
        sizes = np.bincount(pieces.ravel())[1:]
        x, y = (BODY_LOW[a] + CROP_STEP_MM[a] * np.arange(BODY_SHAPE[a]) for a in range(2))
        near = np.hypot(x[:, None], y[None, :]) < BODY_REACH_MM
        own = (pieces == int(sizes.argmax()) + 1) & near[:, :, None]
        centre, depth = body_centre(own, found.affine)
        return centre if depth > LEAST_BODY_MM else None


def as_mask(probability: Volume) -> Volume:
    """Return voxels of `MASK_MM` (uint8, 1 inside) where the interpolated probability exceeds `INSIDE`."""
    span = probability.spacing * (np.array(probability.voxels.shape) - 1)
    shape = tuple(int(n) for n in np.floor(span / MASK_MM + 1e-6).astype(int) + 1)
    fine = sample(probability, probability.affine[:3, 3], np.full(3, MASK_MM), (shape[0], shape[1], shape[2]), 0.0)
    return Volume((fine.voxels > INSIDE).astype(np.uint8), fine.affine)


def body_centre(mask: Bools, affine: Floats) -> tuple[Floats, float]:
    """Return the centre (3,) mm RAS of the thick part of a vertebra, its body, and how deep it lies in mm.

    The mean of the voxels, each weighted by the `THICKNESS_POWER`-th power of its depth: in a trial on 34 real ones
    at most 2.2 mm from the middle between the endplates, but 9 mm in one that is crushed. (nan, 0) where the mask is
    empty.
    """
    if not mask.any():
        return np.full(3, np.nan), 0.0
    window = ndimage.find_objects(mask.astype(np.uint8))[0]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    depth = ndimage.distance_transform_edt(np.pad(mask[window], 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    weight = depth**THICKNESS_POWER
    middle = [(weight * grid).sum() / weight.sum() for grid in np.ogrid[tuple(slice(0, n) for n in weight.shape)]]
    centre = np.array(middle) + [s.start for s in window]
    return np.asarray(affine[:3, :3] @ centre + affine[:3, 3]), float(depth.max())

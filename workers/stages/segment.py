"""Segment one vertebra slice by slice around its localised centre (paper section II.B)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workers.stages.segment_grid import CROP_STEP_MM, crop, sample
from workers.stages.slices import CHANNELS, NEIGHBOURS, marks, normalise
from workers.stages.volume import Volume

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

WINDOW_LOW = (-64.0, -88.0, -58.0)
"""First voxel of the window relative to the centre of the vertebral body, mm RAS."""
WINDOW_SHAPE = (128, 128, 72)
BATCH = 8
MARGIN = max(abs(n) for n in NEIGHBOURS)
MASK_MM = 1.0
"""Voxel side of the mask."""
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
        """
        first = np.asarray(centre, np.float64) + low
        beyond = np.array([0.0, 0.0, MARGIN * CROP_STEP_MM[2]])
        seen = crop(ct, first - beyond, (shape[0], shape[1], shape[2] + 2 * MARGIN))
        hu = normalise(seen.voxels)
        x, y, z = ((low[a] + CROP_STEP_MM[a] * np.arange(shape[a])).astype(np.float32) for a in range(3))
        out = np.empty(shape, np.float32)
        for start in range(0, shape[2], BATCH):
            planes = np.arange(start, min(start + BATCH, shape[2]))
            slices = np.empty((len(planes), CHANNELS, *shape[:2]), np.float32)
            for c, step in enumerate(NEIGHBOURS):
                slices[:, c] = hu[:, :, planes + MARGIN + step].transpose(2, 0, 1)
            slices[:, -2], slices[:, -1] = marks(x[None, :, None], y[None, None, :], z[planes][:, None, None])
            found = self.session.run(["probability"], {"slices": slices})[0]
            out[:, :, planes] = found[:, 0].transpose(1, 2, 0)
        affine = np.diag([*CROP_STEP_MM, 1.0])
        affine[:3, 3] = first
        return Volume(out, affine)


def as_mask(probability: Volume) -> Volume:
    """Return voxels of `MASK_MM` (uint8, 1 inside) where the interpolated probability exceeds one half."""
    span = probability.spacing * (np.array(probability.voxels.shape) - 1)
    shape = tuple(int(n) for n in np.floor(span / MASK_MM + 1e-6).astype(int) + 1)
    fine = sample(probability, probability.affine[:3, 3], np.full(3, MASK_MM), (shape[0], shape[1], shape[2]), 0.0)
    return Volume((fine.voxels > 0.5).astype(np.uint8), fine.affine)


def body_centre(mask: NDArray[np.bool_], affine: Floats) -> tuple[Floats, float]:
    """Return the centre (3,) mm RAS of the thick part of a vertebra, its body, and how deep it lies in mm.

    The mean of the voxels, each weighted by the `THICKNESS_POWER`-th power of its depth: on 34 real vertebrae at most
    2.2 mm from the middle between the endplates, but 9 mm in one that is crushed to a third of its height. (nan, 0)
    where the mask is empty.
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

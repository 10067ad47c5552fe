"""Windows along the spine of real CTs whose body centres are known."""

from __future__ import annotations

import numpy as np

from models.types import Bytes, Floats
from training.segmentation.data.row_batches import HEAT_SD_MM, MARKS, WINDOW_SLICES, RowWindows, encode_hu
from workers.imaging.volume import Volume
from workers.locate.row_network import ROW_MM, ROW_SHAPE, tube_along
from workers.locate.spine_axis import SpineAxis

AXIS_ERROR_MM = 6.0
"""Standard deviation of the axis' place at each body, to the side and forward."""
END_ERROR_MM = 40.0
"""How far the axis runs on beyond the outermost bodies: what lies there is no body."""
SIZE_SD = 0.08
"""Standard deviation of the logarithm of a CT's size."""


def real_row_windows(
    random: np.random.Generator, ct: Volume, centres: Floats, people: tuple[str, ...], count: int
) -> RowWindows:
    """Return `count` windows, each along another guess of the axis and with another size.

    Parameters
    ----------
    random
        Source of every number.
    ct
        HU.
    centres
        (n, 3) mm RAS: every vertebral body that the CT shows, from top to bottom. There must be two.
    people
        Whose CT it is.
    count
        How many.
    """
    windows = [_draw_window(random, ct, centres) for _ in range(count)]
    images, marks = (np.stack(part) for part in zip(*windows, strict=True))
    return RowWindows(images, marks, people, drawn=False)


def _draw_window(random: np.random.Generator, ct: Volume, centres: Floats) -> tuple[Bytes, Bytes]:
    """Return the image (*ROW_SHAPE, WINDOW_SLICES) and the marks (MARKS, ...) of one window, both uint8."""
    size = float(np.exp(random.normal(0.0, SIZE_SD)))
    affine = ct.affine.copy()
    affine[:3] *= size
    bodies = centres * size
    guess = bodies[::-1] + random.normal(0.0, AXIS_ERROR_MM, bodies.shape) * [1.0, 1.0, 0.0]
    tube = tube_along(Volume(ct.voxels, affine), SpineAxis(guess), max(END_ERROR_MM, ROW_MM * WINDOW_SLICES / 2))
    start = int(random.integers(max(tube.hu.shape[2] - WINDOW_SLICES, 1)))
    voxels = np.moveaxis(np.indices((*ROW_SHAPE, WINDOW_SLICES)), 0, -1).astype(np.float64)
    voxels[..., 2] += start
    world = tube.world(voxels.reshape(-1, 3)).reshape(voxels.shape)
    heat = np.zeros(voxels.shape[:3])
    for body in bodies:
        np.maximum(heat, np.exp(-np.square(world - body).sum(axis=-1) / (2.0 * HEAT_SD_MM**2)), out=heat)
    marks = np.zeros((MARKS, *heat.shape), np.uint8)
    marks[0], marks[-1] = np.rint(255.0 * heat), 255
    return encode_hu(tube.hu[:, :, start : start + WINDOW_SLICES]), marks

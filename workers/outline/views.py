"""Compare two views of one vertebra: where they disagree the outline is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Bools, Floats
from workers.imaging.resampling import sample
from workers.imaging.volume import Volume
from workers.locate.segmenter import INSIDE

COLUMN_MM = 18.0
"""Radius about the axis of the body within which views are compared: the body without the arch. It carries the load."""
UNSURE_PROBABILITY = (0.1, 0.9)
"""Between these probabilities the segmenter does not decide whether a voxel is bone."""


@dataclass(frozen=True)
class Agreement:
    """How well two views agree.

    Attributes
    ----------
    dice
        Dice similarity of both masks within the column of the body, on the grid of the second view.
    unsure
        Volume of the voxels of the first view that are not decided, over the volume of its mask, within the column.
    """

    dice: float
    unsure: float


def compare_views(first: Volume, second: Volume, centre: Floats, up: Floats) -> Agreement:
    """Compare the probabilities of two views.

    Parameters
    ----------
    first, second
        (i, j, k) probability that a voxel belongs to the vertebra; the second on a part of the first's crop, turned.
    centre
        (3,) mm RAS, of the body.
    up
        (3,) unit vector along the row of bodies.
    """
    turn = second.affine[:3, :3] / second.spacing
    i, j, k = second.voxels.shape
    again = sample(first, second.affine[:3, 3], second.spacing, (i, j, k), 0.0, turn).voxels
    column = _column(second, centre, up)
    one, other = (again > INSIDE) & column, (second.voxels > INSIDE) & column
    dice = 2.0 * float((one & other).sum()) / max(float(one.sum() + other.sum()), 1.0)
    near = _column(first, centre, up)
    low, high = UNSURE_PROBABILITY
    undecided = (first.voxels > low) & (first.voxels < high) & near
    return Agreement(dice, float(undecided.sum()) / max(float(((first.voxels > INSIDE) & near).sum()), 1.0))


def _column(volume: Volume, centre: Floats, up: Floats) -> Bools:
    """Return which voxels (i, j, k) lie within `COLUMN_MM` of the axis through the centre."""
    grid = np.moveaxis(np.indices(volume.voxels.shape, np.float32), 0, -1)
    offset = grid @ volume.affine[:3, :3].T.astype(np.float32) + (volume.affine[:3, 3] - centre).astype(np.float32)
    along = offset @ up.astype(np.float32)
    return np.asarray(np.square(offset).sum(axis=-1) - np.square(along) < COLUMN_MM**2)

"""Anatomy crops of a few boxes, whose every voxel is known."""

from __future__ import annotations

import numpy as np

from models.types import Bytes
from synthetic_ct.bone_labels import RIB, SACRUM, label_of
from synthetic_ct.tissue import Tissue
from training.segmentation.data.anatomy_crops import CENTRE, AnatomyCrop, encode_anatomy

SHAPE = (88, 122, 110)
"""Voxels: the least that hold the body centre, a disc on either side and something around them."""
OWN = label_of("L3")
DISC_ABOVE, DISC_BELOW = (12.5, 21.5), (14.5, 21.5)
"""Faces of the discs, mm above and below the body centre: half a voxel beyond the outermost voxels' centres."""


def columns(low: tuple[int, int, int], high: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    """Return the voxels of a box whose corners are given in mm from the body centre."""
    first, last = (CENTRE.astype(int) + np.array(corner) for corner in (low, high))
    i, j, k = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return i, j, k


def draw_labels() -> tuple[Bytes, Bytes]:
    """Return bone labels and tissues (i, j, k): three boxes of vertebrae with discs between, sacrum and rib, in fat."""
    bone, tissue = np.zeros(SHAPE, np.uint8), np.full(SHAPE, Tissue.FAT, np.uint8)
    tissue[:, :4] = Tissue.AIR
    for label, low, high in ((OWN, -14, 13), (OWN - 1, 22, 30), (OWN + 1, -30, -21)):
        bone[columns((-12, -10, low), (12, 10, high))] = label
    bone[columns((-6, -40, -10), (6, -10, 5))] = OWN
    bone[columns((-40, -40, -20), (-30, -30, -10))] = SACRUM
    bone[columns((-60, -10, -10), (-40, -5, -5))] = RIB
    tissue[columns((-12, -10, 13), (12, 10, 22))] = Tissue.DISC
    tissue[columns((-12, -10, -21), (12, 10, -14))] = Tissue.DISC
    return bone, tissue


def make_crop(person: str = "a") -> AnatomyCrop:
    """Return the crop of those boxes, whose middle vertebra is an L3; the rear of the crop is behind the bodies."""
    bone, tissue = draw_labels()
    behind = np.zeros(SHAPE, bool)
    behind[:, : int(CENTRE[1]) - 10] = True
    joint = np.zeros(SHAPE, bool)
    joint[columns((-12, -10, 12), (12, 10, 13))] = True
    return AnatomyCrop(encode_anatomy(bone, tissue, joint, behind), "L3", (person,), np.array([0.0, 0.0, 1.0]))

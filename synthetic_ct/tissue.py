"""The tissues that a synthetic person is made of, besides bone."""

from __future__ import annotations

from enum import IntEnum


class Tissue(IntEnum):
    """What a voxel without bone is. `ORGAN` is any organ without a number of its own, `COUCH` the scanner's table."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    DISC = 3
    CANAL = 4
    LUNG = 5
    AORTA = 6
    VEIN = 7
    KIDNEY = 8
    LIVER = 9
    GAS = 10
    BOWEL = 11
    COUCH = 12
    ORGAN = 13
    CARTILAGE = 14
    SKIN = 15
    CALCIUM = 16

"""A vertebra with its reference mask: what segmenters are validated and evaluated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.types import Floats
from synthetic_ct.bone_labels import THORACOLUMBAR_LEVELS
from training.segmentation.data.scan_files import CropScan
from workers.imaging.resampling import CROP_STEP_MM
from workers.imaging.volume import Volume

HALF_FILLED = 127
"""A voxel of which the vertebra fills more than this, of 255, is in the reference mask."""


@dataclass(frozen=True)
class ReferenceCase:
    """A vertebra to segment.

    Attributes
    ----------
    name
        As the tables show it.
    ct
        HU.
    reference
        The mask to compare with, 0 or 1.
    centre
        (3,) mm RAS: centre of the vertebral body.
    neighbours
        (3,) mm RAS each: body centres of the vertebrae above and below, those that are in the CT.
    """

    name: str
    ct: Volume
    reference: Volume
    centre: Floats
    neighbours: tuple[Floats, ...] = ()


def neighbouring_centres(level: str, centres: Mapping[str, Floats]) -> tuple[Floats, ...]:
    """Return the centres (3,) of the vertebrae above and below a level, those that `centres` has."""
    rank = THORACOLUMBAR_LEVELS.index(level)
    return tuple(
        centres[name] for name in THORACOLUMBAR_LEVELS[max(rank - 1, 0) : rank + 2] if name != level and name in centres
    )


def case_of_crop(crop: CropScan, name: str) -> ReferenceCase:
    """Return a crop as a case; its world begins at the crop's first voxel."""
    affine = np.diag([*CROP_STEP_MM, 1.0])
    reference = (crop.inside > HALF_FILLED).astype(np.uint8)
    centres = dict(zip(crop.levels, crop.centres * CROP_STEP_MM, strict=True))
    neighbours = neighbouring_centres(crop.level, centres)
    return ReferenceCase(
        name, Volume(crop.image, affine), Volume(reference, affine), crop.centre * CROP_STEP_MM, neighbours
    )

"""From a label map to one clean vertebra (paper section II.B).

The vertebra is cleaned on the mask's own grid, which may be finer than the CT's. The crop is brought to the nearest RAS
orientation: all 48 axis orders and flips of one mask give the same crop, with a right-handed affine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Bools, Floats
from workers.imaging.binary_mask import clean_piece, label_crop
from workers.imaging.volume import Volume


@dataclass(frozen=True)
class CleanMask:
    """One vertebra, cleaned.

    Attributes
    ----------
    voxels
        (i, j, k) bool, a crop with at least `PAD_VOXELS` empty voxels on every side, axes nearest to RAS.
    affine
        (4, 4) float64 of the crop, voxel index to RAS+ mm, right-handed.
    label
        Value in the mask that was sent.
    removed_voxels, filled_voxels
        How many voxels cleaning removed (fragments, noise) and added (holes, pinholes).
    second_fragment
        Size of the label's second largest connected piece relative to the largest, 0 where there is but one.
    """

    voxels: Bools
    affine: Floats
    label: int
    removed_voxels: int
    filled_voxels: int
    second_fragment: float

    @property
    def spacing(self) -> Floats:
        """(3,) float64 voxel sides in mm."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), np.float64)

    @property
    def volume_mm3(self) -> float:
        """Volume of the vertebra, mm³."""
        return float(self.voxels.sum() * abs(np.linalg.det(self.affine[:3, :3])))


def clean_mask(mask: Volume, label: int) -> CleanMask:
    """Return one label as a clean vertebra: the largest piece, without holes and noise (paper section II.B).

    Parameters
    ----------
    mask
        The label map.
    label
        One that `mask` has, see `workers.mask.label_choice.select_label`.
    """
    crop = label_crop(mask, label)
    clean, second = clean_piece(crop.voxels)
    return CleanMask(
        voxels=clean,
        affine=crop.affine,
        label=label,
        removed_voxels=int((crop.voxels & ~clean).sum()),
        filled_voxels=int((clean & ~crop.voxels).sum()),
        second_fragment=second,
    )

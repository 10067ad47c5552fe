"""Label maps of people, and the same in the numbers of another convention."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from app.contract.numbering import MaskConvention
from workers.imaging.volume import Volume, read_mask
from workers.mask.conventions import CONVENTIONS, label_of_level

PEOPLE: dict[str, tuple[str, MaskConvention]] = {
    "s0327": ("labels/totalsegmentator_s0327/labels.nii.gz", "totalsegmentator_v2"),
    "s0328": ("labels/totalsegmentator_s0328/labels.nii.gz", "totalsegmentator_v2"),
    "verse004": ("shapes/verse004/vertebrae.nii.gz", "verse"),
    "verse010": ("shapes/verse010/vertebrae.nii.gz", "verse"),
    "example": ("ct/totalsegmentator_example/vertebrae.nii.gz", "totalsegmentator_v2"),
    "tptbox": ("ct/tptbox_L3/vertebrae.nii.gz", "verse"),
}


def person(data_dir: Path, name: str) -> tuple[Volume, MaskConvention]:
    """Return the label map of a person and its convention."""
    path, convention = PEOPLE[name]
    return read_mask(data_dir / path), convention


def renumbered(mask: Volume, source: MaskConvention, target: MaskConvention) -> Volume:
    """Return the vertebrae and the sacrum of a label map with the numbers of another convention, and nothing else."""
    table = np.zeros(65536, np.uint8)
    for label, level in CONVENTIONS[source].items():
        table[label] = label_of_level(target, level) or 0
    return Volume(table[mask.voxels], mask.affine)

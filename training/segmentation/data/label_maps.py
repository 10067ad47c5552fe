"""The two whole label maps of the data folder: which structure is which tissue or bone, and where the bodies are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.types import Bytes, Floats
from synthetic_ct.bone_labels import CERVICAL, N_LABELS, PELVIS, RIB, SACRUM, THORACOLUMBAR_LEVELS, label_of
from synthetic_ct.tissue import Tissue
from workers.imaging.resampling import canonical
from workers.imaging.volume import Volume, read_mask
from workers.locate.body_centre import body_centre
from workers.mask.conventions import TOTALSEGMENTATOR

LABEL_MAPS = ("s0327", "s0328")
"""People of the TotalSegmentator dataset whose whole label map is in the data folder. They have no CT there."""
RIBS = range(92, 116)
OTHER_BONES = (*range(69, 79), 91, 116, 117)
"""Humeri, scapulae, clavicles, femurs, hips, skull, sternum, costal cartilages."""
MUSCLES = range(80, 90)
"""Gluteal muscles, autochthonous muscles of the back, iliopsoas."""
TISSUES: dict[Tissue, tuple[int, ...]] = {
    Tissue.ORGAN: (1, 4, 7, 8, 9, 17, 21, 22, 23, 24, 51, 90),
    Tissue.KIDNEY: (2, 3),
    Tissue.LIVER: (5,),
    Tissue.BOWEL: (6, 15, 18, 19, 20),
    Tissue.LUNG: tuple(range(10, 15)),
    Tissue.GAS: (16,),
    Tissue.AORTA: (52, *range(54, 59), 65, 66),
    Tissue.VEIN: (53, *range(59, 65), 67, 68),
    Tissue.CANAL: (79,),
    Tissue.MUSCLE: tuple(MUSCLES),
}
"""TotalSegmentator v2 numbers (Wasserthal et al., Radiol Artif Intell 5(5), 2023): the trachea is gas."""


def bone_table() -> Bytes:
    """Return the bone label (256,) uint8 of each TotalSegmentator number, 0 for what is no bone."""
    table = np.zeros(N_LABELS, np.uint8)
    table[list(RIBS)], table[list(OTHER_BONES)] = RIB, PELVIS
    for number, name in TOTALSEGMENTATOR.items():
        if name in THORACOLUMBAR_LEVELS:
            table[number] = label_of(name)
        else:
            table[number] = CERVICAL if name.startswith("C") else SACRUM
    return table


def tissue_table() -> Bytes:
    """Return the `Tissue` (256,) uint8 of each TotalSegmentator number, 0 for bone and what has no label."""
    table = np.zeros(N_LABELS, np.uint8)
    for tissue, numbers in TISSUES.items():
        table[list(numbers)] = tissue
    return table


@dataclass(frozen=True)
class LabelMap:
    """A whole label map.

    Attributes
    ----------
    person
        One of `LABEL_MAPS`.
    labels
        uint8 TotalSegmentator v2 numbers, axes nearest to RAS.
    centres
        (3,) mm RAS: the body centre of each level that is there, also of S1.
    """

    person: str
    labels: Volume
    centres: dict[str, Floats]

    def up(self, level: str) -> Floats:
        """Return the unit vector (3,) from the body below a level to the one above."""
        names = (*THORACOLUMBAR_LEVELS, "S1")
        rank = names.index(level)
        above = self.centres.get(names[rank - 1], self.centres[level])
        below = self.centres.get(names[rank + 1], self.centres[level])
        return (above - below) / np.linalg.norm(above - below)


def label_map_path(data: Path, person: str) -> Path:
    """Return the file of a person's label map in the data folder."""
    return data / "labels" / f"totalsegmentator_{person}" / "labels.nii.gz"


def read_label_map(data: Path, person: str) -> LabelMap:
    """Read a label map of the data folder and measure its body centres."""
    volume = canonical(read_mask(label_map_path(data, person)))
    labels = Volume(volume.voxels.astype(np.uint8), volume.affine)
    centres = {}
    for number, name in TOTALSEGMENTATOR.items():
        if name in (*THORACOLUMBAR_LEVELS, "S1") and (labels.voxels == number).any():
            centres[name], _ = body_centre(labels.voxels == number, labels.affine)
    return LabelMap(person, labels, centres)

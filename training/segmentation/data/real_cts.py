"""Real CTs with label maps: the three of the data folder, or those of a VerSe data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models.types import Floats
from workers.imaging.volume import Volume, read_ct, read_mask
from workers.locate.body_centre import body_centre
from workers.mask.conventions import TOTALSEGMENTATOR, VERSE_LABELS

LEAST_BODY_RADIUS_MM = 8.0
"""A ball of this radius fits into a vertebral body, but not into an arch."""
TURN_ABOUT_Z = np.diag([-1.0, -1.0, 1.0, 1.0])
ABDOMEN_LABELS = range(26, 34)
"""TotalSegmentator's labels S1 to T11, of which the abdomen CT shows the bodies."""


@dataclass(frozen=True)
class RealCt:
    """A CT with its label map.

    Attributes
    ----------
    person
        Whose it is.
    ct, mask
        Files.
    labels
        Values of the label map that make up a level (``L1``, also ``S1``).
    whole
        Levels that lie whole in the CT.
    turned
        The file's RAS frame is turned by 180 degrees about z.
    calibrated
        The voxels are mineral densities, not HU: the checks for HU are left out.
    scan
        Tells CTs of one person with files of one name apart; by default the name of the CT's file.
    """

    person: str
    ct: Path
    mask: Path
    labels: Mapping[str, tuple[int, ...]]
    whole: tuple[str, ...]
    turned: bool = field(default=False)
    calibrated: bool = field(default=False)
    scan: str = ""

    @property
    def name(self) -> str:
        """Of the files that are made of it: no two CTs of a list have the same."""
        return f"{self.person}_{self.scan or self.ct.name.split('.')[0]}"

    def read(self) -> tuple[Volume, Volume]:
        """Return the CT and the label map, upright."""
        ct = read_density(self.ct) if self.calibrated else read_ct(self.ct)
        mask = read_mask(self.mask)
        if self.turned:
            ct = Volume(ct.voxels, TURN_ABOUT_Z @ ct.affine)
            mask = Volume(mask.voxels, TURN_ABOUT_Z @ mask.affine)
        return ct, mask


def read_density(path: Path) -> Volume:
    """Read a volume of mineral densities (mg/cm³) as float32."""
    import nibabel as nib

    image = nib.load(path)
    return Volume(np.asarray(image.dataobj, np.float32), np.asarray(image.affine, np.float64))


def data_folder_cts(data: Path) -> tuple[RealCt, ...]:
    """Return the three CTs of the data folder: one abdomen, one crop around an L3, one L2 without soft tissue."""
    abdomen, l3, l2 = (data / "ct" / name for name in ("totalsegmentator_example", "tptbox_L3", "spinefe_verse004_L2"))
    abdomen_labels = {name: (label,) for label, name in TOTALSEGMENTATOR.items() if label in ABDOMEN_LABELS}
    return (
        RealCt(
            "totalsegmentator",
            abdomen / "ct.nii.gz",
            abdomen / "vertebrae.nii.gz",
            abdomen_labels,
            whole=("L1", "L2", "L3", "L4", "L5"),
        ),
        RealCt(
            "tptbox",
            l3 / "ct.nii.gz",
            l3 / "vertebrae.nii.gz",
            {"L2": (21,), "L3": (22,), "L4": (23,)},
            whole=("L3",),
        ),
        RealCt(
            "verse004",
            l2 / "density.nii.gz",
            l2 / "subregions.nii.gz",
            {"L2": (1, 2, 3, 4)},
            whole=("L2",),
            turned=True,
            calibrated=True,
        ),
    )


def verse_cts(folder: Path) -> tuple[RealCt, ...]:
    """Return the CTs of a VerSe data set (BIDS layout): ``*_ct.nii.gz`` with their ``*_seg-vert_msk.nii.gz``.

    Raises
    ------
    FileNotFoundError
        There is none.
    """
    cts = []
    for mask in sorted(folder.rglob("*seg-vert_msk.nii.gz")):
        stem = mask.name.removesuffix("_seg-vert_msk.nii.gz")
        images = sorted(folder.rglob(f"{stem}_ct.nii.gz"))
        if not images:
            continue
        labels = read_mask(mask)
        present = {level: (value,) for level, value in VERSE_LABELS.items() if (labels.voxels == value).any()}
        whole = tuple(level for level in present if is_whole(labels, present[level]))
        cts.append(RealCt(mask.name.split("_")[0].removeprefix("sub-"), images[0], mask, present, whole))
    if not cts:
        raise FileNotFoundError(
            f"{folder} has no *_seg-vert_msk.nii.gz with its *_ct.nii.gz: expected VerSe in BIDS layout"
        )
    return tuple(cts)


def is_whole(labels: Volume, values: tuple[int, ...]) -> bool:
    """Whether a label touches no face of the volume."""
    inside = np.isin(labels.voxels, values)
    return not any(inside.take(edge, axis=axis).any() for axis in range(3) for edge in (0, -1))


def body_centres(mask: Volume, labels: Mapping[str, tuple[int, ...]]) -> dict[str, Floats]:
    """Return the centre (3,) mm RAS of each labelled vertebra whose body is in the scan."""
    measured = {level: body_centre(np.isin(mask.voxels, values), mask.affine) for level, values in labels.items()}
    return {level: centre for level, (centre, depth) in measured.items() if depth > LEAST_BODY_RADIUS_MM}

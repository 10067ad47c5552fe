"""Labelled real CTs on the networks' grids: the three of the data folder, or a VerSe data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from models.types import Floats
from synthetic_ct.bone_labels import SACRUM, THORACOLUMBAR_LEVELS, UNKNOWN
from training.segmentation.data.synthetic_scans import CROP_HIGH, CROP_LOW, SACRAL_BODIES, CropScan, TrunkScan
from workers.imaging.resampling import CROP_STEP_MM, coarse, crop, sample
from workers.imaging.volume import Volume, read_ct, read_mask
from workers.locate.segmenter import body_centre
from workers.mask.conventions import TOTALSEGMENTATOR, VERSE_LABELS

BONE_HU = 180.0
LEAST_BODY_MM = 8.0
"""A ball of this radius fits into a vertebral body, but not into an arch."""


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
        Label values a level (``L1``, also ``S1``).
    whole
        Levels that lie whole in the CT.
    turned
        The file's RAS frame is turned by 180 degrees about z.
    calibrated
        The voxels are mineral densities, not HU: not read through the checks for HU.
    """

    person: str
    ct: Path
    mask: Path
    labels: Mapping[str, tuple[int, ...]]
    whole: tuple[str, ...]
    turned: bool = field(default=False)
    calibrated: bool = field(default=False)

    def read(self) -> tuple[Volume, Volume]:
        """Return the CT and the label map, upright."""
        ct = read_density(self.ct) if self.calibrated else read_ct(self.ct)
        mask = read_mask(self.mask)
        if self.turned:
            turn = np.diag([-1.0, -1.0, 1.0, 1.0])
            ct, mask = Volume(ct.voxels, turn @ ct.affine), Volume(mask.voxels, turn @ mask.affine)
        return ct, mask


def read_density(path: Path) -> Volume:
    """Read a volume that is no CT in HU (mineral density), float32."""
    import nibabel as nib

    image = nib.load(path)
    return Volume(np.asarray(image.dataobj, np.float32), np.asarray(image.affine, np.float64))


def real_cts(data: Path) -> tuple[RealCt, ...]:
    """Return the CTs of the data folder."""
    ts, tp, qct = (data / "ct" / name for name in ("totalsegmentator_example", "tptbox_L3", "spinefe_verse004_L2"))
    lumbar = ("L1", "L2", "L3", "L4", "L5")
    ts_labels = {name: (label,) for label, name in TOTALSEGMENTATOR.items() if 26 <= label <= 33}
    return (
        RealCt("totalsegmentator", ts / "ct.nii.gz", ts / "vertebrae.nii.gz", ts_labels, lumbar),
        RealCt("tptbox", tp / "ct.nii.gz", tp / "vertebrae.nii.gz", {"L2": (21,), "L3": (22,), "L4": (23,)}, ("L3",)),
        RealCt(
            "verse004",
            qct / "density.nii.gz",
            qct / "subregions.nii.gz",
            {"L2": (1, 2, 3, 4)},
            ("L2",),
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
    out = []
    for mask in sorted(folder.rglob("*seg-vert_msk.nii.gz")):
        stem = mask.name.removesuffix("_seg-vert_msk.nii.gz")
        found = sorted(folder.rglob(f"{stem}_ct.nii.gz"))
        if not found:
            continue
        labels = read_mask(mask)
        present = {level: (value,) for level, value in VERSE_LABELS.items() if (labels.voxels == value).any()}
        whole = tuple(level for level in present if _is_whole(labels, present[level]))
        out.append(RealCt(mask.name.split("_")[0].removeprefix("sub-"), found[0], mask, present, whole))
    if not out:
        raise FileNotFoundError(
            f"no *_seg-vert_msk.nii.gz with its *_ct.nii.gz below {folder}: expected VerSe in BIDS layout"
        )
    return tuple(out)


def _is_whole(labels: Volume, values: tuple[int, ...]) -> bool:
    """Whether a label stays off the faces of the volume."""
    inside = np.isin(labels.voxels, values)
    return not any(inside.take(edge, axis=axis).any() for axis in range(3) for edge in (0, -1))


def centres(mask: Volume, labels: Mapping[str, tuple[int, ...]]) -> dict[str, Floats]:
    """Return the centre (3,) mm RAS of each labelled vertebra whose body is in the scan."""
    found = {level: body_centre(np.isin(mask.voxels, values), mask.affine) for level, values in labels.items()}
    return {level: centre for level, (centre, depth) in found.items() if depth > LEAST_BODY_MM}


def real_crops(source: RealCt) -> list[CropScan]:
    """Return the surroundings of each whole vertebra of a CT on the segmenter's grid."""
    ct, mask = source.read()
    out = []
    found = {
        level: c
        for level, c in centres(mask, source.labels).items()
        if level in (*THORACOLUMBAR_LEVELS, *SACRAL_BODIES)
    }
    shape = tuple(int(n) for n in np.floor((CROP_HIGH - CROP_LOW) / CROP_STEP_MM).astype(int) + 1)
    for level in source.whole:
        inside = np.isin(mask.voxels, source.labels[level])
        centre, _ = body_centre(inside, mask.affine)
        low = centre + CROP_LOW
        image = crop(ct, low, (shape[0], shape[1], shape[2]))
        bodies = {name: (c - low) / CROP_STEP_MM for name, c in found.items()}
        bodies = {name: c for name, c in bodies.items() if ((c > 0.0) & (c < np.array(shape) - 1)).all()}
        truth = sample(
            Volume(inside.astype(np.float32), mask.affine), low, CROP_STEP_MM, (shape[0], shape[1], shape[2]), 0.0
        )
        out.append(
            CropScan(
                np.clip(np.rint(image.voxels), -1024, 3071).astype(np.int16),
                np.rint(255.0 * truth.voxels).astype(np.uint8),
                (-CROP_LOW / CROP_STEP_MM).astype(np.float32),
                level,
                np.array(list(bodies.values()), np.float32),
                tuple(bodies),
                (source.person,),
            )
        )
    return out


def real_trunk(source: RealCt) -> TrunkScan:
    """Return a CT on the localiser's grid; bone that is not labelled is marked `UNKNOWN`."""
    ct, mask = source.read()
    image = coarse(ct)
    shape, origin, step = image.voxels.shape, image.affine[:3, 3], image.spacing
    bone = np.where(ndimage.binary_dilation(image.voxels > BONE_HU, iterations=2), UNKNOWN, 0).astype(np.uint8)
    best = np.full(shape, 0.5, np.float32)
    for level, values in source.labels.items():
        inside = Volume(np.isin(mask.voxels, values).astype(np.float32), mask.affine)
        share = sample(inside, origin, step, (shape[0], shape[1], shape[2]), 0.0).voxels
        value = SACRUM if level.startswith("S") else THORACOLUMBAR_LEVELS.index(level) + 1
        bone[share > best] = value
        np.maximum(best, share, out=best)
    vertebrae = {level: values for level, values in source.labels.items() if level in THORACOLUMBAR_LEVELS}
    found = centres(mask, vertebrae)
    return TrunkScan(
        np.clip(np.rint(image.voxels), -1024, 3071).astype(np.int16),
        bone,
        np.array([(c - origin) / step for c in found.values()], np.float32),
        np.array([THORACOLUMBAR_LEVELS.index(level) + 1 for level in found], np.uint8),
        (source.person,),
    )


def write_real(cts: tuple[RealCt, ...], folder: Path) -> tuple[list[Path], list[Path]]:
    """Put CTs on both grids; return the files of the surroundings and of the trunks, made where they are missing.

    Calibrated densities are left out: they are tested on, but no hospital sends them.
    """
    crops, trunks = folder / "crops", folder / "trunks"
    for path in (crops, trunks):
        path.mkdir(parents=True, exist_ok=True)
    for source in tqdm(cts, desc="real CTs", disable=None):
        stem = f"{source.person}_{source.ct.name.split('.')[0]}"
        done = crops / f"{stem}.done"
        if done.exists() or source.calibrated:
            continue
        for crop_scan in real_crops(source):
            crop_scan.save(crops / f"{stem}_{crop_scan.level}.npz")
        if len(source.labels) > 2:
            real_trunk(source).save(trunks / f"{stem}.npz")
        done.touch()
    return sorted(crops.glob("*.npz")), sorted(trunks.glob("*.npz"))

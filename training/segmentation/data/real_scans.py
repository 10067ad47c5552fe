"""Put real CTs with label maps on the grids of the networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from tqdm import tqdm

from models.types import Bytes, Singles
from synthetic_ct.bone_labels import SACRUM, THORACOLUMBAR_LEVELS, UNKNOWN
from training.segmentation.data.real_cts import RealCt, body_centres
from training.segmentation.data.scan_files import (
    CROP_SCAN_HIGH,
    CROP_SCAN_LOW,
    SACRAL_BODIES,
    CropScan,
    TrunkScan,
    bodies_in_crop,
)
from workers.imaging.resampling import AIR_HU, CROP_STEP_MM, HIGHEST_HU, coarse, crop, sample
from workers.imaging.volume import Volume
from workers.locate.body_centre import body_centre

BONE_HU = 180.0
"""HU from which a voxel of 4 mm counts as bone although nobody labelled it."""
BONE_MARGIN = 2
"""Voxels of 4 mm around such bone that are left out of training too: cortex and soft tissue share them."""
LEAST_SHARE = 0.5
"""A coarse voxel gets the label that fills more than this of it."""
LEAST_LABELS = 3
"""A CT of fewer labelled levels becomes no trunk: most of its spine would be unlabelled."""


def real_crops(source: RealCt) -> list[CropScan]:
    """Return the crop around each whole vertebra of a CT."""
    ct, mask = source.read()
    centres = {
        level: centre
        for level, centre in body_centres(mask, source.labels).items()
        if level in (*THORACOLUMBAR_LEVELS, *SACRAL_BODIES)
    }
    i, j, k = (int(n) for n in np.floor((CROP_SCAN_HIGH - CROP_SCAN_LOW) / CROP_STEP_MM).astype(int) + 1)
    crops = []
    for level in source.whole:
        inside = np.isin(mask.voxels, source.labels[level])
        centre, _ = body_centre(inside, mask.affine)
        low = centre + CROP_SCAN_LOW
        bodies = bodies_in_crop(centres, low, (i, j, k))
        filled = sample(Volume(inside.astype(np.float32), mask.affine), low, CROP_STEP_MM, (i, j, k), 0.0)
        crops.append(
            CropScan(
                as_hu(crop(ct, low, (i, j, k)).voxels),
                np.rint(255.0 * filled.voxels).astype(np.uint8),
                (-CROP_SCAN_LOW / CROP_STEP_MM).astype(np.float32),
                level,
                np.array(list(bodies.values()), np.float32),
                tuple(bodies),
                (source.person,),
            )
        )
    return crops


def real_trunk(source: RealCt) -> TrunkScan:
    """Return a CT on the grid of the locator; bone without a label is marked `UNKNOWN`."""
    ct, mask = source.read()
    image = coarse(ct)
    i, j, k = image.voxels.shape
    origin, step = image.affine[:3, 3], image.spacing
    bone = unlabelled_bone(image.voxels)
    largest = np.full((i, j, k), LEAST_SHARE, np.float32)
    for level, values in source.labels.items():
        inside = Volume(np.isin(mask.voxels, values).astype(np.float32), mask.affine)
        share = sample(inside, origin, step, (i, j, k), 0.0).voxels
        bone[share > largest] = SACRUM if level.startswith("S") else THORACOLUMBAR_LEVELS.index(level) + 1
        np.maximum(largest, share, out=largest)
    vertebrae = {level: values for level, values in source.labels.items() if level in THORACOLUMBAR_LEVELS}
    centres = body_centres(mask, vertebrae)
    return TrunkScan(
        as_hu(image.voxels),
        bone,
        np.array([(centre - origin) / step for centre in centres.values()], np.float32),
        np.array([THORACOLUMBAR_LEVELS.index(level) + 1 for level in centres], np.uint8),
        (source.person,),
    )


def unlabelled_bone(hu: Singles) -> Bytes:
    """Return `UNKNOWN` (i, j, k) where a coarse CT is as bright as bone, and 0 elsewhere."""
    bright = ndimage.binary_dilation(hu > BONE_HU, iterations=BONE_MARGIN)
    return np.where(bright, UNKNOWN, 0).astype(np.uint8)


def as_hu(voxels: Singles) -> NDArray[np.int16]:
    """Return HU as trunks and crops store them."""
    return np.clip(np.rint(voxels), AIR_HU, HIGHEST_HU).astype(np.int16)


def write_real_scans(cts: tuple[RealCt, ...], folder: Path) -> tuple[list[Path], list[Path]]:
    """Write the crops and the trunks of CTs where they are missing; return the files of the crops and of the trunks.

    Calibrated densities are left out: networks are evaluated on them, but no hospital sends them.
    """
    crops, trunks = folder / "crops", folder / "trunks"
    for path in (crops, trunks):
        path.mkdir(parents=True, exist_ok=True)
    for source in tqdm(cts, desc="real CTs", disable=None):
        stem = source.name
        done = crops / f"{stem}.done"
        if done.exists() or source.calibrated:
            continue
        for crop_scan in real_crops(source):
            crop_scan.save(crops / f"{stem}_{crop_scan.level}.npz")
        if len(source.labels) >= LEAST_LABELS:
            real_trunk(source).save(trunks / f"{stem}.npz")
        done.touch()
    return sorted(crops.glob("*.npz")), sorted(trunks.glob("*.npz"))

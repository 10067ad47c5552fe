"""A small data set in VerSe's layout."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np


def write_verse(folder: Path, person: str, labels: dict[int, slice], ct: bool = True) -> None:
    """Write a BIDS pair of 16 x 16 x 60 voxels; `labels` has the slices of each value."""
    voxels = np.zeros((16, 16, 60), np.uint8)
    for value, planes in labels.items():
        voxels[4:12, 4:12, planes] = value
    mask, image = folder / "derivatives" / person, folder / "rawdata" / person
    for path in (mask, image):
        path.mkdir(parents=True)
    nib.save(nib.Nifti1Image(voxels, np.diag([2.0, 2.0, 2.0, 1.0])), mask / f"{person}_seg-vert_msk.nii.gz")
    if ct:
        random = np.random.default_rng(0)
        hu = np.where(voxels > 0, 300, -50) + random.integers(-40, 40, voxels.shape)
        nib.save(nib.Nifti1Image(hu.astype(np.int16), np.diag([2.0, 2.0, 2.0, 1.0])), image / f"{person}_ct.nii.gz")

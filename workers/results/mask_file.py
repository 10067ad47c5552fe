"""``mask.nii.gz``: the vertebra's voxels on the CT's grid."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from models.types import Floats

GZIP_LEVEL = 1
"""The fastest: a mask is nearly all zeros, which every level compresses well."""
UNKNOWN, SCANNER = 0, 1
"""NIfTI xform codes: no transform, and "scanner anatomical"."""
QFORM_TOLERANCE = 1e-3
"""Difference between qform and affine, in mm and mm a voxel, that only rounding explains."""


def write_mask(path: Path, mask: NDArray[Any], affine: Floats) -> None:
    """Write a mask (i, j, k), non-zero inside, as uint8 NIfTI-1 with sform and qform, mm; the same bytes every time.

    A sheared affine has no quaternion. Its qform code is then 0 (unknown), and only the sform holds.
    """
    image = nib.Nifti1Image((np.asarray(mask) != 0).astype(np.uint8), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, SCANNER)
    image.set_qform(affine, SCANNER)
    if not np.allclose(image.get_qform(), affine, atol=QFORM_TOLERANCE):
        image.set_qform(None, UNKNOWN)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", GZIP_LEVEL, raw, mtime=0) as stream:
        stream.write(image.to_bytes())

"""``mask.nii.gz``: the vertebra's voxels on the CT's grid."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np

from models.types import Floats
from workers.mask.ct_grid import PlacedMask

GZIP_LEVEL = 1
"""The fastest: a mask is nearly all zeros, which every level compresses well."""
VOXELS_AT = 352
"""Byte of the first voxel: after the header and four bytes that say that no extension follows."""
UNKNOWN, SCANNER = 0, 1
"""NIfTI xform codes: no transform, and "scanner anatomical"."""
QFORM_TOLERANCE = 1e-3
"""Difference between qform and affine, in mm and mm a voxel, that only rounding explains."""


def write_mask(path: Path, mask: PlacedMask, affine: Floats) -> None:
    """Write a mask as uint8 NIfTI-1 with sform and qform, mm, plane by plane; the same bytes every time.

    A sheared affine has no quaternion. Its qform code is then 0 (unknown), and only the sform holds.

    Parameters
    ----------
    path
        Ends in ``.nii.gz``.
    mask
        On the CT's grid.
    affine
        (4, 4) float64 of that grid, voxel to RAS+ mm.
    """
    header = _header(mask.shape, affine)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", GZIP_LEVEL, raw, mtime=0) as stream:
        stream.write(header + bytes(VOXELS_AT - len(header)))
        for plane in mask.planes():
            stream.write(plane.tobytes(order="F"))


def _header(shape: tuple[int, int, int], affine: Floats) -> bytes:
    image = nib.Nifti1Image(np.broadcast_to(np.uint8(0), shape), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, SCANNER)
    image.set_qform(affine, SCANNER)
    if not np.allclose(image.get_qform(), affine, atol=QFORM_TOLERANCE):
        image.set_qform(None, UNKNOWN)
    image.header["vox_offset"] = VOXELS_AT
    return bytes(image.header.binaryblock)

"""Write a stack of slices as a NIfTI file, one plane after the other, so that no more than two are in memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from app.contract.errors import BadDimensions, BadVoxels
from models.types import Floats
from workers.dicom.slice_grid import SliceGrid
from workers.dicom.slice_values import check_values, hounsfield, type_of
from workers.dicom.stacks import Stack
from workers.imaging.nifti_header import Limits
from workers.imaging.steps import Told

HEADER_BYTES = 544
"""Of NIfTI-2 with its extension flag. Its affine has double precision; that of NIfTI-1 rounds by up to 2e-5 mm."""


def write_nifti(stack: Stack, grid: SliceGrid, path: Path, told: Told) -> None:
    """Write the volume of a stack: columns, rows and planes as i, j, k; HU; uncompressed.

    Parameters
    ----------
    stack, grid
        The slices, and where the planes lie.
    path
        File to write.
    told
        Called with the share of the planes that are written; may raise.

    Raises
    ------
    InputError
        The pixels cannot be used.
    """
    shape = check_shape(stack, len(grid.planes))
    for one in stack.slices:
        check_values(one)
    dtype = np.dtype(np.float32) if grid.resampled_to_mm else type_of(stack.slices)
    with path.open("wb") as out:
        out.write(nifti_header(shape, grid.affine, dtype))
        for k, plane in enumerate(_planes(stack, grid)):
            out.write(_fitting(plane, dtype).tobytes())
            told((k + 1) / len(grid.planes))


def check_shape(stack: Stack, planes: int) -> tuple[int, int, int]:
    """Return columns, rows and planes of the volume of a stack. Raise `BadDimensions` if they are too many."""
    rows, columns = stack.first.shape
    shape = (columns, rows, planes)
    if max(shape) > Limits.max_side or np.prod(shape, dtype=np.int64) > Limits.max_voxels:
        raise BadDimensions(
            "Send fewer slices, or a smaller field of view.",
            expected=f"up to {Limits.max_voxels} voxels, {Limits.max_side} along each axis",
            got=" x ".join(map(str, shape)),
        )
    return shape


def _planes(stack: Stack, grid: SliceGrid) -> Iterator[Floats]:
    @lru_cache(maxsize=2)
    def read(k: int) -> Floats:
        return hounsfield(stack.slices[k])

    for plane in grid.planes:
        below, share = plane.below, plane.share_of_next
        yield read(below) if share == 0.0 else (1.0 - share) * read(below) + share * read(below + 1)


def _fitting(plane: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a plane in the type of the file; stored values beyond their own number of bits are refused."""
    if dtype.kind == "i" and not (plane.min() >= np.iinfo(dtype).min and plane.max() <= np.iinfo(dtype).max):
        raise BadVoxels("Export the series again.", expected="values within BitsStored", got="larger ones")
    return np.ascontiguousarray(plane, dtype)


def nifti_header(shape: tuple[int, int, int], affine: Floats, dtype: np.dtype[Any]) -> bytes:
    """Return the header of a NIfTI-2 file: columns, rows and planes, (4, 4) to RAS+ mm, type of a voxel."""
    header = nib.Nifti2Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    header.set_zooms(np.linalg.norm(affine[:3, :3], axis=0))
    header.set_sform(affine, code="scanner")
    header.set_xyzt_units("mm")
    header["vox_offset"] = HEADER_BYTES
    return bytes(header.binaryblock) + b"\0\0\0\0"

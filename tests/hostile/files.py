"""Write NIfTI files of any size plane by plane, so that making a hostile volume needs no memory."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

Plane = Callable[[int], NDArray[Any]]
"""From an index along the third axis to its voxels (i, j)."""


def write_nifti(
    path: Path, shape: tuple[int, int, int], spacing: tuple[float, float, float], dtype: str, plane: Plane
) -> None:
    """Write a NIfTI-1 file: gzip (level 1) if the name ends so. The world's origin is the middle of the grid."""
    header = nib.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(dtype)
    header.set_xyzt_units("mm")
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -0.5 * (np.array(shape) - 1.0) * spacing
    header.set_sform(affine, 1)
    header["pixdim"][1:4] = spacing
    header["magic"] = b"n+1\0"
    header["vox_offset"] = 352
    with gzip.open(path, "wb", 1) if path.suffix == ".gz" else path.open("wb") as stream:
        stream.write(header.binaryblock + bytes(4))
        for k in range(shape[2]):
            stream.write(np.asarray(plane(k), dtype).tobytes(order="F"))


def body_plane(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Plane:
    """Return the planes of a CT in HU: a noisy elliptic body in air with a column of bone in its middle."""
    x, y = (((np.arange(n) - 0.5 * (n - 1.0)) * mm) for n, mm in zip(shape[:2], spacing[:2], strict=True))
    wide, deep = 0.45 * shape[0] * spacing[0], 0.45 * shape[1] * spacing[1]
    body = np.add.outer((x / wide) ** 2, (y / deep) ** 2) < 1.0
    bone = np.add.outer((x / 20.0) ** 2, (y / 16.0) ** 2) < 1.0
    noise = np.random.default_rng(0).normal(0.0, 25.0, shape[:2])
    image = (np.where(body, 40.0, -1000.0) + 260.0 * bone + noise).astype(np.int16)
    return lambda k: np.roll(image, 7 * k, axis=0) if k % 2 else image


def solid(shape: tuple[int, int, int], label: int = 1) -> Plane:
    """Return the planes of a mask that is one label everywhere."""
    image = np.full(shape[:2], label, np.uint16)
    return lambda _: image

"""Small NIfTI files, good and bad."""

from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (20, 24, 28)
AFFINE = np.array([[0.9, 0.1, 0.0, -10.0], [-0.1, 0.9, 0.0, 5.0], [0.0, 0.0, 2.0, -30.0], [0.0, 0.0, 0.0, 1.0]])


def hounsfield(shape=SHAPE, dtype=np.int16):
    """A small body in air, with fat, muscle and bone."""
    rng = np.random.default_rng(0)
    hu = np.full(shape, -1000.0)
    hu[3:-3, 3:-3] = -100
    hu[5:-5, 5:-5] = 50
    hu[8:-8, 8:-8, 8:-8] = 300
    return (hu + rng.normal(0, 15, shape)).astype(dtype)


def image(voxels=None, affine=AFFINE, kind=nib.Nifti1Image):
    img = kind(hounsfield() if voxels is None else voxels, affine)
    img.header.set_xyzt_units("mm")
    return img


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def header_bytes(**fields) -> bytes:
    """A valid .nii whose header fields are overwritten."""
    raw = bytearray(image().to_bytes())
    head = np.frombuffer(raw, nib.nifti1.header_dtype, count=1)
    for name, value in fields.items():
        head[name] = value
    return bytes(raw)

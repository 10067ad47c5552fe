"""Read the CT and the mask (hostile files) into volumes that the later stages can trust.

Peak memory is the returned volume (2 or 4 bytes a voxel for a CT, 1 or 2 for a mask) plus a few chunks of 1 Mi voxels.
A CT whose values leave int16 half-way is widened once, which takes 6 bytes a voxel for a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.contract.errors import BadMask, BadVoxels, DecompressionBomb, NotHounsfield
from models.types import Floats
from workers.imaging.nifti_header import Header, Limits, iter_voxels, read_header
from workers.imaging.nifti_stream import NiftiStream

__all__ = ["Limits", "Volume", "check_hounsfield", "read_ct", "read_mask"]

MAX_LABELS = 1000
MAX_LABEL = 65535
_ABSURD = 1e9  # no CT value is beyond; also keeps float32 finite
_SAMPLE = 4_000_000  # voxels looked at by check_hounsfield


@dataclass(frozen=True)
class Volume:
    """A 3-D image in the world.

    Attributes
    ----------
    voxels
        (i, j, k). CT: int16 or float32, HU. Mask: uint8 or uint16 labels.
    affine
        (4, 4) float64, voxel index to RAS+ mm. Its determinant may be negative.
    """

    voxels: NDArray[Any]
    affine: Floats

    @property
    def spacing(self) -> Floats:
        """(3,) float64 voxel sides along i, j, k in mm."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), np.float64)

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel, mm³."""
        return abs(float(np.linalg.det(self.affine[:3, :3])))

    @property
    def face_mm2(self) -> Floats:
        """(3,) float64 area of a voxel's face across i, j, k in mm², of an affine without shear."""
        return np.asarray(np.prod(self.spacing) / self.spacing, np.float64)

    def part(self, box: Sequence[slice]) -> Volume:
        """Return the voxels within a box, one slice an axis with its start; a view, nothing is copied."""
        affine = self.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ np.array([side.start for side in box], np.float64)
        return Volume(self.voxels[tuple(box)], affine)

    def depth_of(self, point: Floats) -> float:
        """Return how far inside the outermost voxel centres a point (3,) mm RAS lies, mm; negative outside."""
        index = np.linalg.solve(self.affine[:3, :3], point - self.affine[:3, 3])
        return float((np.minimum(index, np.array(self.voxels.shape) - 1 - index) * self.spacing).min())


def read_ct(path: Path, limits: Limits | None = None) -> Volume:
    """Read a CT volume (.nii or .nii.gz, NIfTI-1 or -2, either byte order; recognised by content).

    Returns
    -------
    Volume with int16 (where that is exact) or float32 voxels in HU, scaling applied.

    Raises
    ------
    InputError
        One of its leaves (see `workers.imaging.nifti_header.read_header`); BadVoxels for NaN or infinite values;
        NotHounsfield.
    EmptyUpload
        The file has no bytes.
    """
    limits = limits or Limits()
    with NiftiStream(path) as stream:
        header = read_header(stream, limits)
        _check_ratio(header, stream, limits)
        voxels = _collect_ct(stream, header)
    check_hounsfield(voxels)
    return Volume(voxels.reshape(header.shape, order="F"), header.affine)


def read_mask(path: Path, limits: Limits | None = None) -> Volume:
    """Read a label map (same formats as `read_ct`; floats with integer values are fine).

    Returns
    -------
    Volume with uint8 voxels, or uint16 where a label exceeds 255.

    Raises
    ------
    InputError
        One of its leaves (see `workers.imaging.nifti_header.read_header`); BadMask for values that are not integers in
        0..65535, or for more than 1000 distinct labels.
    EmptyUpload
        The file has no bytes.
    """
    with NiftiStream(path) as stream:
        header = read_header(stream, limits or Limits())
        voxels = _collect_mask(stream, header)
    return Volume(voxels.reshape(header.shape, order="F"), header.affine)


def check_hounsfield(voxels: NDArray[Any]) -> None:
    """Refuse intensities that cannot be a CT's Hounsfield units.

    Water (0) and air (-1000) fix the Hounsfield scale. That leaves three signs in every CT of a spine, however it was
    cropped, padded or enhanced. MR, exports to 0..255 or 0..1, and CTs without their -1024 offset lack one of them.

    - Fat, marrow, noise, air or padding have *negative* values. Two real CTs have 71 % and 35 % of their voxels below
      -10 HU; 0.5 % are required.
    - Cortical bone exceeds 150 HU: 3 % and 13 % of the voxels; 0.01 % are required.
    - Voxels above -300 HU are neither air nor padding, so they have the density of tissue: their median lies between
      -200 and 500 HU (measured -21 and 26).

    Extremes are not judged: metal reaches 30000, padding -3024 and less.

    Parameters
    ----------
    voxels
        Any shape, HU. A regular sample of up to 4 million voxels is checked.

    Raises
    ------
    NotHounsfield
    """
    sample = voxels.ravel(order="K")
    sample = sample[:: max(1, sample.size // _SAMPLE) | 1]
    low, high = (f"{v:g}" for v in (sample.min(), sample.max()))
    got = f"values {low} to {high}"
    if low == high:
        raise _not_hu("more than one intensity", got)
    negative = float(np.mean(sample < -10))
    if negative < 0.005:
        raise _not_hu("negative values (fat, noise, air) in at least 0.5 % of the voxels", f"{got}, {negative:.2%}")
    bone = float(np.mean(sample > 150))
    if bone < 1e-4:
        raise _not_hu("bone above 150 HU in at least 0.01 % of the voxels", f"{got}, {bone:.3%}")
    tissue = float(np.median(sample[sample > -300]))
    if not -200 <= tissue <= 500:
        raise _not_hu("tissue with a median of -200 to 500 HU", f"{got}, median {tissue:g} above -300")


def _not_hu(expected: str, got: str) -> NotHounsfield:
    detail = (
        "The image does not look like a CT in Hounsfield units. Send the original CT with its rescale slope and "
        "intercept applied (scl_slope, scl_inter), not an MR, a windowed 0..255 export or a normalised image."
    )
    return NotHounsfield(detail, expected=expected, got=got)


def _check_ratio(header: Header, stream: NiftiStream, limits: Limits) -> None:
    ratio = header.n_bytes / stream.file_size
    if stream.is_gzip and header.n_bytes > limits.ratio_free_bytes and ratio > limits.max_ratio:
        raise DecompressionBomb(
            "A real CT does not compress this far. Send the CT itself, or uncompressed.",
            expected=f"at most {limits.max_ratio:g}:1",
            got=f"{ratio:.0f}:1 ({header.n_bytes} bytes in {stream.file_size})",
        )


def _scaled(stored: NDArray[Any], header: Header) -> NDArray[Any]:
    if header.slope == 1.0 and header.inter == 0.0:
        return stored
    with np.errstate(all="ignore"):  # an overflow becomes infinite and is refused as such
        return stored * np.float64(header.slope) + header.inter


def _collect_ct(stream: NiftiStream, header: Header) -> NDArray[Any]:
    """Return (n,) int16 or float32 HU, i fastest."""
    exact = header.dtype.kind in "iu" and header.slope.is_integer() and header.inter.is_integer()
    out: NDArray[Any] = np.empty(header.n_voxels, np.int16 if exact else np.float32)
    at = 0
    for stored in iter_voxels(stream, header):
        values = _scaled(stored, header)
        low, high = float(values.min()), float(values.max())
        if not (low > -_ABSURD and high < _ABSURD):  # NaN fails too
            raise BadVoxels(
                "Replace NaN, infinite and absurd values by air (-1024 HU), or export the CT again.",
                expected="finite HU in every voxel",
                got=f"values from {low:g} to {high:g}",
            )
        if out.dtype == np.int16 and not (low >= -32768 and high <= 32767):
            out = out.astype(np.float32)
        out[at : at + values.size] = values
        at += values.size
    return out


def _collect_mask(stream: NiftiStream, header: Header) -> NDArray[Any]:
    """Return (n,) uint8 or uint16 labels, i fastest."""
    out: NDArray[Any] = np.empty(header.n_voxels, np.uint8)
    present = np.zeros(MAX_LABEL + 1, bool)
    at = 0
    for stored in iter_voxels(stream, header):
        values = _scaled(stored, header)
        low, high = float(values.min()), float(values.max())
        if not (low >= -1e-4 and high <= MAX_LABEL + 1e-4):
            raise _bad_mask(f"whole numbers from 0 to {MAX_LABEL}", f"values from {low:g} to {high:g}")
        if values.dtype.kind == "f":
            labels = np.rint(values)
            if np.abs(values - labels).max() > 1e-3:
                raise _bad_mask("whole numbers", f"fractions between {low:g} and {high:g} (a probability map?)")
            values = labels
        if high > 255 and out.dtype == np.uint8:
            out = out.astype(np.uint16)
        part = out[at : at + values.size]
        part[:] = values
        present[part] = True
        at += values.size
    if (n := int(present[1:].sum())) > MAX_LABELS:
        raise _bad_mask(f"at most {MAX_LABELS} labels", f"{n} labels (an intensity image?)")
    return out


def _bad_mask(expected: str, got: str) -> BadMask:
    return BadMask("Send a label map: 0 outside, one whole number a vertebra.", expected=expected, got=got)

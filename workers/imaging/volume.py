"""Read the CT and the mask (hostile files) into volumes that the later stages can trust.

Peak memory is the returned volume (2 or 4 bytes a voxel for a CT, 1 or 2 for a mask) plus a few chunks of 1 Mi voxels.
A CT whose values leave int16 half-way is read again as float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.contract.errors import BadMask, BadVoxels, DecompressionBomb
from models.types import Floats
from workers.imaging.grid import Grid
from workers.imaging.hounsfield import check_hounsfield, sample_step
from workers.imaging.nifti_header import Header, Limits, iter_voxels, read_header
from workers.imaging.nifti_stream import NiftiStream

__all__ = ["Grid", "Limits", "Volume", "read_ct", "read_ct_near", "read_mask"]

MAX_LABELS = 1000
MAX_LABEL = 65535
_ABSURD = 1e9  # no CT value is beyond; also keeps float32 finite


@dataclass(frozen=True)
class Volume:
    """A 3-D image in the world.

    Attributes
    ----------
    voxels
        (i, j, k). CT: int16 or float32, HU. Mask: uint8 or uint16 labels.
    affine
        (4, 4) float64, voxel index to RAS+ mm. Its determinant may be negative.
    frames_apart_mm
        How far apart the file's sform, which is used, and its qform put a corner of the image; 0 where one is not set.
    """

    voxels: NDArray[Any]
    affine: Floats
    frames_apart_mm: float = 0.0

    @property
    def grid(self) -> Grid:
        """Where the voxels lie."""
        i, j, k = self.voxels.shape
        return Grid((i, j, k), self.affine)

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
    return _read_planes(path, limits or Limits(), lambda grid: slice(0, grid.shape[2]))[0]


def read_ct_near(path: Path, regions: Sequence[Grid], margin_mm: float) -> tuple[Volume, Grid]:
    """Read a CT as `read_ct` does and check all of it, but keep only the planes that come near regions.

    Parameters
    ----------
    path
        The file.
    regions, margin_mm
        Planes of the file are kept that come within so many mm of one of these grids, and those between them.

    Returns
    -------
    The kept part, and the grid of the whole CT.
    """
    return _read_planes(path, Limits(), lambda grid: _hull([grid.planes_near(near, margin_mm) for near in regions]))


def _hull(ranges: Sequence[slice]) -> slice:
    return slice(min(each.start for each in ranges), max(each.stop for each in ranges))


def _read_planes(path: Path, limits: Limits, choose: Callable[[Grid], slice]) -> tuple[Volume, Grid]:
    try:
        return _read_hu(path, limits, choose, whole_numbers=True)
    except _BeyondInt16:
        pass  # it holds the voxels that were read so far, so they are read again after its end
    return _read_hu(path, limits, choose, whole_numbers=False)


class _BeyondInt16(Exception):
    """A voxel's value does not fit into int16."""


def _read_hu(path: Path, limits: Limits, choose: Callable[[Grid], slice], whole_numbers: bool) -> tuple[Volume, Grid]:
    """Read the chosen planes: int16 where that is exact and `whole_numbers` is asked for, else float32."""
    with NiftiStream(path) as stream:
        header = read_header(stream, limits)
        _check_ratio(header, stream, limits)
        grid = Grid(header.shape, header.affine)
        planes = choose(grid)
        exact = header.dtype.kind in "iu" and header.slope.is_integer() and header.inter.is_integer()
        shape = (*header.shape[:2], planes.stop - planes.start)
        kept: NDArray[Any] = np.empty(np.prod(shape), np.int16 if exact and whole_numbers else np.float32)
        sample = _collect_hu(stream, header, kept, planes.start * header.shape[0] * header.shape[1])
    check_hounsfield(sample)
    affine = header.affine.copy()
    affine[:3, 3] += planes.start * affine[:3, 2]
    return Volume(kept.reshape(shape, order="F"), affine, header.frames_apart_mm), grid


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
    return Volume(voxels.reshape(header.shape, order="F"), header.affine, header.frames_apart_mm)


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


def _collect_hu(stream: NiftiStream, header: Header, kept: NDArray[Any], first: int) -> NDArray[Any]:
    """Read HU, i fastest; keep those from voxel `first` on in `kept` (n,); return a regular sample of all.

    Raise `_BeyondInt16` where the values do not fit into `kept`.
    """
    at, step, sample = 0, sample_step(header.n_voxels), []
    for stored in iter_voxels(stream, header):
        values = _scaled(stored, header)
        low, high = float(values.min()), float(values.max())
        if not (low > -_ABSURD and high < _ABSURD):  # NaN fails too
            raise BadVoxels(
                "Replace NaN, infinite and absurd values by air (-1024 HU), or export the CT again.",
                expected="finite HU in every voxel",
                got=f"values from {low:g} to {high:g}",
            )
        if kept.dtype == np.int16 and not (low >= -32768 and high <= 32767):
            raise _BeyondInt16
        sample.append(values[-at % step :: step].astype(kept.dtype))
        start, stop = max(first - at, 0), min(first + kept.size - at, values.size)
        if start < stop:
            kept[at + start - first : at + stop - first] = values[start:stop]
        at += values.size
    return np.concatenate(sample)


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

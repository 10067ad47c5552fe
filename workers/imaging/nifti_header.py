"""Read the header of a hostile NIfTI file before anything is allocated, then its voxels in bounded chunks.

At most 540 header bytes are decompressed before the declared size is judged. The voxels then come in chunks. A stream
that ends early, goes on too long or fails its checksum is refused. Header strings (``descrip``, ``aux_file``,
``db_name``, …) may hold patient data: they are neither kept nor echoed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.nifti1 import header_dtype as nifti1_dtype
from nibabel.nifti2 import header_dtype as nifti2_dtype
from numpy.typing import NDArray

from app.contract.errors import (
    BadDimensions,
    BadVoxels,
    CorruptFile,
    DecompressionBomb,
    EmptyUpload,
    NotNifti,
    NotThreeDimensional,
)
from models.types import Floats
from workers.imaging.nifti_affine import affine_of, check_extent, frames_apart
from workers.imaging.nifti_stream import NiftiStream, corrupt

CHUNK_VOXELS = 1 << 20
"""Voxels decompressed in one go."""
_BLOCK = 1 << 16
_SLACK = 1 << 20  # bytes tolerated after the last voxel
_MAX_OFFSET = 16 << 20  # header extensions are skipped up to here
_DEFLATE_LIMIT = 1100  # deflate cannot expand further than 1032:1
_DTYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_UNSUPPORTED = {
    1: "binary",
    32: "complex64",
    128: "RGB24",
    1536: "float128",
    1792: "complex128",
    2048: "complex256",
    2304: "RGBA32",
}


@dataclass(frozen=True)
class Limits:
    """What a worker is willing to read.

    Attributes
    ----------
    min_side, max_side
        Voxels along one axis.
    max_voxels
        Voxels of one volume (512 x 512 x 2000 fits).
    max_bytes
        Decompressed voxel bytes of one file.
    max_ratio
        Decompressed over compressed bytes of a CT. Real CTs are noisy: 2 to 15, below 100 even where most of the
        volume is padding. Masks compress up to deflate's own limit, so only the size limits bind them.
    ratio_free_bytes
        A file that declares fewer voxel bytes is not judged by its ratio.
    """

    min_side: int = 4
    max_side: int = 4096
    max_voxels: int = 600_000_000
    max_bytes: int = 2 << 30
    max_ratio: float = 250.0
    ratio_free_bytes: int = 64 << 20


@dataclass(frozen=True)
class Header:
    """The checked part of a NIfTI header.

    Attributes
    ----------
    shape
        (3,) voxels along i, j, k.
    dtype
        On disk, with its byte order.
    slope, inter
        value = stored * slope + inter.
    offset
        Byte of the first voxel.
    affine
        (4, 4) float64, voxel index to RAS+ mm.
    frames_apart_mm
        How far apart sform and qform put a corner of the image.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    slope: float
    inter: float
    offset: int
    affine: Floats
    frames_apart_mm: float

    @property
    def n_voxels(self) -> int:
        """Number of voxels."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def n_bytes(self) -> int:
        """Bytes of the voxels on disk, decompressed."""
        return self.n_voxels * self.dtype.itemsize


def read_header(stream: NiftiStream, limits: Limits) -> Header:
    """Read and check the header, leaving `stream` at the first voxel.

    Raises
    ------
    EmptyUpload, NotNifti, CorruptFile, BadDimensions, NotThreeDimensional, DecompressionBomb, BadVoxels, BadAffine,
    BadSpacing
    """
    if stream.file_size == 0:
        raise EmptyUpload("The file has no bytes. Send the whole NIfTI file.", expected="> 0 bytes", got="0 bytes")
    raw = stream.read(348)
    size = {order: int(np.frombuffer(raw[:4].ljust(4, b"\0"), order + "i4")[0]) for order in "<>"}
    order = next((o for o, n in size.items() if n in (348, 540)), None)
    if order is None or len(raw) < 348:
        raise _not_nifti("348 or 540 as header size", f"{size['<']}" if len(raw) == 348 else f"{len(raw)} bytes")
    base, wanted = (nifti1_dtype, b"n+1") if size[order] == 348 else (nifti2_dtype, b"n+2")
    raw += stream.read(base.itemsize - len(raw))
    if len(raw) < base.itemsize:
        raise _not_nifti(f"{base.itemsize} header bytes", f"{len(raw)} bytes")
    fields = np.frombuffer(raw, base.newbyteorder(order))[0]
    if bytes(fields["magic"])[:3] != wanted:
        raise _not_nifti(f"magic {wanted.decode()} (single file)", "another magic (a .hdr/.img pair, or not NIfTI)")
    shape = _shape(fields, limits)
    place = affine_of(fields), frames_apart(fields, shape)
    header = Header(shape, _dtype(fields, order), *_scaling(fields), _offset(fields, base.itemsize), *place)
    _check_size(header, stream, limits)
    check_extent(header.shape, header.affine)
    if len(stream.read(header.offset - base.itemsize)) < header.offset - base.itemsize:
        raise corrupt("The file ends before its voxels", f"voxels from byte {header.offset}", "end of file")
    return header


def iter_voxels(stream: NiftiStream, header: Header) -> Iterator[NDArray[Any]]:
    """Yield the stored (unscaled) voxels, i fastest, in chunks of up to `CHUNK_VOXELS`; then check the end.

    Raises
    ------
    CorruptFile
        The stream ends early or its checksum is wrong.
    DecompressionBomb
        The stream goes on after the declared voxels.
    """
    item = header.dtype.itemsize
    for start in range(0, header.n_voxels, CHUNK_VOXELS):
        n = min(CHUNK_VOXELS, header.n_voxels - start) * item
        data = stream.read(n)
        if len(data) < n:
            raise corrupt("The voxels are incomplete", f"{header.n_bytes} bytes", f"{start * item + len(data)} bytes")
        yield np.frombuffer(data, header.dtype)
    extra, total = 1, 0
    while extra and total <= _SLACK:  # reading to the end is what checks the gzip checksum
        extra = len(stream.read(_BLOCK))
        total += extra
    if extra:
        expected, got = f"{header.n_bytes} bytes of voxels, as declared", f"more than {header.n_bytes + _SLACK} bytes"
        kind = DecompressionBomb if stream.is_gzip else CorruptFile
        raise kind("The file goes on after its last voxel. Export it again.", expected=expected, got=got)


def _shape(fields: Any, limits: Limits) -> tuple[int, int, int]:
    dims = [int(n) for n in fields["dim"]]
    if not 1 <= dims[0] <= 7:
        raise _bad_dims("1 to 7 dimensions", str(dims[0]))
    used = dims[1 : dims[0] + 1]
    if min(used) < 1:
        raise _bad_dims("positive dimensions", str(used))
    if len(used) < 3 or any(n != 1 for n in used[3:]):
        raise NotThreeDimensional(
            "Send one 3-D volume: of a 4-D series, extract a single frame.", expected="3 dimensions", got=str(used)
        )
    low, high = limits.min_side, limits.max_side
    if min(used[:3]) < low or max(used[:3]) > high:
        raise _bad_dims(f"{low} to {high} voxels along each axis", str(used[:3]))
    return used[0], used[1], used[2]


def _dtype(fields: Any, order: str) -> np.dtype[Any]:
    code = int(fields["datatype"])
    if code not in _DTYPES:
        raise BadVoxels(
            "Convert the image to a plain integer or float type, e.g. int16.",
            expected="8 to 64 bit integers or floats",
            got=_UNSUPPORTED.get(code, f"data type code {code}"),
        )
    return np.dtype(order + _DTYPES[code])


def _scaling(fields: Any) -> tuple[float, float]:
    """Return slope and intercept; a slope of 0 or NaN means none (the standard, and what nibabel does)."""
    slope, inter = float(fields["scl_slope"]), float(fields["scl_inter"])
    if np.isnan(slope) or slope == 0:
        return 1.0, 0.0
    if not np.isfinite([slope, inter]).all():
        raise BadVoxels(
            "The intensity scaling is not finite. Export again.",
            expected="finite scl_slope and scl_inter",
            got=f"{slope}, {inter}",
        )
    return slope, inter


def _offset(fields: Any, header_size: int) -> int:
    """Return the byte of the first voxel; 0 in the file means directly after the header and its 4 extension bytes."""
    offset = float(fields["vox_offset"])
    first = header_size + 4
    if offset == 0:
        return first
    if not header_size <= offset <= _MAX_OFFSET or offset != int(offset):
        raise corrupt(
            "The header says that the voxels begin at an impossible byte", f"{first} to {_MAX_OFFSET}", f"{offset:g}"
        )
    return int(offset)


def _check_size(header: Header, stream: NiftiStream, limits: Limits) -> None:
    """Judge the declared size before anything is allocated."""
    need = header.offset + header.n_bytes
    if header.n_voxels > limits.max_voxels or header.n_bytes > limits.max_bytes:
        expected = f"up to {limits.max_voxels} voxels and {limits.max_bytes} bytes"
        got = f"{header.n_voxels} voxels, {header.n_bytes} bytes"
        kind = DecompressionBomb if stream.is_gzip else BadDimensions
        raise kind("Crop the volume to the spine, or store it as int16.", expected=expected, got=got)
    if need > stream.file_size * (_DEFLATE_LIMIT if stream.is_gzip else 1):
        raise corrupt("The file is too short for its voxels", f"{need} bytes", f"a file of {stream.file_size} bytes")


def _not_nifti(expected: str, got: str) -> NotNifti:
    detail = "Send a single-file NIfTI-1 or NIfTI-2 image (.nii or .nii.gz), or the CT as a zip of its DICOM files."
    return NotNifti(detail, expected=expected, got=got)


def _bad_dims(expected: str, got: str) -> BadDimensions:
    return BadDimensions("The header's dimensions cannot be right. Export again.", expected=expected, got=got)

"""From a DICOM segmentation to a NIfTI label map, whose labels are the numbers of the segments."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.pixels.utils import iter_pixels

from app.contract.errors import BadDimensions, BadMask, LabelAbsent
from models.types import Floats
from workers.dicom.deflated import Inflater
from workers.dicom.headers import dicom_errors
from workers.dicom.nifti_copy import nifti_header
from workers.dicom.segments import Segments, read_segments
from workers.dicom.slice_grid import EVEN_SHARE, OFF_LINE_MM, TO_RAS
from workers.dicom.stacks import SAME_PLACE_MM
from workers.dicom.unpacking import unpack
from workers.imaging.nifti_header import Limits

MASK_NAME = "mask.nii"
UNPACKED = "dicom-mask"
"""Folder of the unpacked file, removed once it is read."""
KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")
BORDER = 1
"""Voxels without a label on each side: what has no frame is no bone, so a label on the last frame is not cut there."""


@dataclass(frozen=True)
class SegmentedMask:
    """What was read from a DICOM segmentation.

    Attributes
    ----------
    path
        NIfTI-2 label map.
    levels
        Level of each segment, by its number, where the file says it.
    frame_of_reference
        UID of the space in which it lies; "" where the file has none.
    """

    path: Path
    levels: dict[int, str]
    frame_of_reference: str


def read_segmentation(upload: Path, folder: Path, wanted: int | None) -> SegmentedMask:
    """Write the segments of a DICOM segmentation as a label map on a grid of its own planes.

    Parameters
    ----------
    upload
        The DICOM file, or a zip in which it is the only one.
    folder
        Existing, private folder for the label map.
    wanted
        Number of the only segment to read; None reads all, which must not overlap then.

    Raises
    ------
    BadMask, BadDimensions, CorruptFile, LabelAbsent
        The segmentation cannot be used.
    BadArchive, DecompressionBomb
        The zip cannot.
    """
    unpacked = folder / UNPACKED
    unpacked.mkdir()
    try:
        paths, _ = unpack(upload, unpacked)
        if len(paths) != 1:
            raise BadMask("Send one segmentation.", expected="one DICOM file", got=f"{len(paths)} of them")
        return _write(Inflater(unpacked, upload.stat().st_size).plain(paths[0]), folder, wanted)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _write(path: Path, folder: Path, wanted: int | None) -> SegmentedMask:
    segments = read_segments(path)
    if segments.kind not in KINDS:
        raise BadMask("Export the segmentation again.", expected=" or ".join(KINDS), got="another type")
    with dicom_errors("The planes of the DICOM segmentation"):
        planes, affine, shape = _grid(segments)
    small = segments.kind != "LABELMAP" and segments.numbers.max() <= np.iinfo(np.uint8).max
    labels = np.zeros(shape, np.uint8 if small else np.uint16, order="F")
    frames = np.flatnonzero(segments.numbers == wanted) if wanted and segments.kind != "LABELMAP" else None
    if frames is not None and not frames.size:
        present = sorted({int(number) for number in segments.numbers})
        raise LabelAbsent(
            "Choose a segment that is present.",
            expected=f"segment {wanted}",
            got=f"{present[:40]}",
            labels_present=present,
        )
    with dicom_errors("The pixels of the DICOM segmentation"):
        indices = range(len(planes)) if frames is None else [int(frame) for frame in frames]
        for frame, pixels in zip(indices, iter_pixels(path, indices=list(indices)), strict=True):
            plane = labels[BORDER:-BORDER, BORDER:-BORDER, planes[frame] + BORDER]
            _paint(plane, np.asarray(pixels).T, int(segments.numbers[frame]), segments)
    with (folder / MASK_NAME).open("wb") as out:
        out.write(nifti_header(shape, affine, labels.dtype))
        labels.ravel(order="F").tofile(out)
    return SegmentedMask(folder / MASK_NAME, segments.levels, segments.frame_of_reference)


def _paint(plane: Any, pixels: Any, number: int, segments: Segments) -> None:
    """Write one frame (columns, rows) into its plane of the label map."""
    if pixels.shape != plane.shape:
        raise ValueError("the pixels have another shape than the header says")
    if segments.kind == "LABELMAP":
        plane[...] = pixels
        return
    inside = 2 * pixels.astype(np.int64) >= segments.full if segments.kind == "FRACTIONAL" else pixels != 0
    if ((plane != 0) & (plane != number) & inside).any():
        raise BadMask(
            "Say with mask_label which segment is the vertebra.", expected="segments apart", got="segments that overlap"
        )
    plane[inside] = number


def _grid(segments: Segments) -> tuple[Any, Floats, tuple[int, int, int]]:
    """Return the plane of each frame (n,), the affine (4, 4) of the label map to RAS+ mm, and its shape."""
    normal = np.cross(segments.rows, segments.columns)
    heights = segments.places @ (normal / np.linalg.norm(normal))
    order = np.argsort(heights, kind="stable")
    first, last = segments.places[order[0]], segments.places[order[-1]]
    length = float(np.linalg.norm(last - first))
    if length < SAME_PLACE_MM:
        raise BadMask("Send the segmentation of the whole vertebra.", expected="several planes", got="one")
    line = (last - first) / length
    along = (segments.places - first) @ line
    gaps = np.diff(np.unique(np.round(along[order], 6)))
    gaps = gaps[gaps >= SAME_PLACE_MM]
    if not gaps.size:
        raise BadMask(
            "Send the segmentation on the planes of the CT.",
            expected=f"planes at least {SAME_PLACE_MM:g} mm apart",
            got="closer ones",
        )
    count = round(length / float(gaps.min()))
    if count > Limits.max_side:
        raise BadDimensions(
            "Send the segmentation of the CT.", expected=f"at most {Limits.max_side} planes", got="more"
        )
    step = length / count
    planes = np.rint(along / step).astype(np.int64)
    off = np.linalg.norm(segments.places - first - along[:, None] * line, axis=1)
    if off.max() > OFF_LINE_MM or np.abs(along - planes * step).max() > EVEN_SHARE * step:
        raise BadMask("Send the segmentation on the planes of the CT.", expected="planes at even places", got="others")
    shape = (segments.shape[1] + 2 * BORDER, segments.shape[0] + 2 * BORDER, count + 1 + 2 * BORDER)
    if max(shape) > Limits.max_side or np.prod(shape, dtype=np.int64) > Limits.max_voxels:
        raise BadDimensions(
            "Send the segmentation of the CT.", expected=f"up to {Limits.max_voxels} voxels", got="more"
        )
    row_mm, column_mm = segments.spacing_mm
    affine = np.eye(4)
    affine[:3, :3] = TO_RAS @ np.column_stack([segments.rows * column_mm, segments.columns * row_mm, line * step])
    affine[:3, 3] = TO_RAS @ first - BORDER * affine[:3, :3].sum(axis=1)
    return planes, affine, shape

"""The segments of a DICOM segmentation (PS3.3 A.51, C.8.20): which vertebra each is, and where its frames lie."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread, uid
from pydicom.datadict import tag_for_keyword
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from app.contract.errors import BadMask
from models.types import Floats
from workers.dicom.headers import BoundedReader, dicom_errors, syntax_of
from workers.dicom.slices import FAR_MM, SQUARE

SEG_CLASSES = (uid.SegmentationStorage, "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation, and Label Map Segmentation (PS3.4 B.5)."""
MAX_FRAMES = 60_000
"""A frame is a plane of a segment: 60 vertebrae and other bones on 1,000 planes."""
LEVELS = (*(f"C{n}" for n in range(1, 8)), *(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6)))
LEVEL_CODES: Mapping[tuple[str, str], str] = {
    (code.value, code.scheme_designator): level for level in LEVELS for code in [getattr(codes.SCT, f"{level}Vertebra")]
}
"""Level by SNOMED CT code (context group 7602)."""
KEYWORDS = (
    *(
        "SOPClassUID",
        "Modality",
        "Rows",
        "Columns",
        "NumberOfFrames",
        "FrameOfReferenceUID",
        "SegmentationType",
    ),
    *(
        "BitsAllocated",
        "SegmentSequence",
        "MaximumFractionalValue",
        "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence",
    ),
)
TAGS = [tag for keyword in KEYWORDS if (tag := tag_for_keyword(keyword)) is not None]


@dataclass(frozen=True)
class Segments:
    """A segmentation by its header.

    Attributes
    ----------
    kind
        BINARY, FRACTIONAL or LABELMAP.
    full
        The value of a fractional segmentation that stands for the whole voxel.
    levels
        What each segment is, by its number: a level such as "L1"; segments of which nothing says it are not there.
    frame_of_reference
        UID of the space in which it lies; "" where the header has none.
    numbers
        (n,) segment of each frame; 0 for all in a label map.
    places
        (n, 3) centre of each frame's first pixel, mm LPS.
    rows, columns
        (3,) unit vectors along a row and along a column, LPS.
    spacing_mm
        Between rows, and between columns.
    shape
        Number of rows and columns.
    """

    kind: str
    full: int
    levels: dict[int, str]
    frame_of_reference: str
    numbers: Any
    places: Floats
    rows: Floats
    columns: Floats
    spacing_mm: tuple[float, float]
    shape: tuple[int, int]


def read_segments(path: Path) -> Segments:
    """Read the header of a DICOM segmentation.

    Raises
    ------
    BadMask
        The file is another DICOM object, or its frames do not lie in parallel.
    CorruptFile
        The header cannot be read.
    """
    with dicom_errors("The DICOM segmentation"), BoundedReader(io.FileIO(path)) as file:
        syntax = uid.UID(syntax_of(file))
        header = dcmread(file, stop_before_pixels=True, specific_tags=TAGS)
        left = path.stat().st_size - file.tell()
        if header.get("SOPClassUID") not in SEG_CLASSES:
            modality = str(header.get("Modality", ""))
            raise BadMask(
                "Send the mask as NIfTI, or as a DICOM segmentation (SEG).",
                expected="a DICOM segmentation",
                got=modality if re.fullmatch("[A-Z0-9]{1,16}", modality) else "another DICOM object",
            )
        segments = _segments(header)
        bits = len(segments.numbers) * segments.shape[0] * segments.shape[1] * int(header.BitsAllocated)
        if not syntax.is_encapsulated and 8 * left < bits:  # pydicom would take zeros for what is missing
            raise ValueError("fewer pixels than the header says")
        return segments


def _segments(header: Dataset) -> Segments:
    frames = header.get("PerFrameFunctionalGroupsSequence") or []
    if not 0 < len(frames) <= MAX_FRAMES or len(frames) != int(header.get("NumberOfFrames") or 0):
        raise BadMask("Export the segmentation again.", expected=f"1 to {MAX_FRAMES} frames", got=f"{len(frames)}")
    shared = (header.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    kind = str(header.get("SegmentationType", ""))
    groups = [_Frame(frame, shared) for frame in frames]
    directions, spacing = groups[0].directions, groups[0].spacing_mm
    _check_directions(directions, spacing)
    for group in groups:
        if not np.allclose(group.directions, directions, atol=1e-3) or not np.allclose(group.spacing_mm, spacing, 1e-4):
            raise BadMask("Send one segmentation.", expected="frames in parallel, of one pixel size", got="others")
    return Segments(
        kind=kind,
        full=int(header.get("MaximumFractionalValue") or 1),
        levels=_levels(header.get("SegmentSequence") or []),
        frame_of_reference=str(header.get("FrameOfReferenceUID") or ""),
        numbers=np.array([0 if kind == "LABELMAP" else group.number for group in groups]),
        places=np.array([group.place for group in groups], np.float64),
        rows=directions[:3],
        columns=directions[3:],
        spacing_mm=(float(spacing[0]), float(spacing[1])),
        shape=(int(header.Rows), int(header.Columns)),
    )


class _Frame:
    """What a frame's functional groups say of it, its own or the shared ones."""

    def __init__(self, own: Dataset, shared: Dataset) -> None:
        self._own, self._shared = own, shared
        self.place = self._numbers("PlanePositionSequence", "ImagePositionPatient", 3)
        self.directions = self._numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6)
        self.spacing_mm = self._numbers("PixelMeasuresSequence", "PixelSpacing", 2)

    @property
    def number(self) -> int:
        return int(self._group("SegmentIdentificationSequence").ReferencedSegmentNumber)

    def _group(self, name: str) -> Dataset:
        return (self._own.get(name) or self._shared[name].value)[0]

    def _numbers(self, name: str, keyword: str, n: int) -> Floats:
        values = np.array([float(value) for value in self._group(name)[keyword].value], np.float64)
        if values.shape != (n,) or not (np.abs(values) < FAR_MM).all():
            raise ValueError("a place that is none")
        return values


def _check_directions(directions: Floats, spacing: Floats) -> None:
    """Raise `ValueError` where rows and columns are no unit vectors at a right angle, or pixels have no size."""
    rows, columns = directions[:3], directions[3:]
    products = (rows @ rows - 1.0, columns @ columns - 1.0, rows @ columns)
    if max(map(abs, products)) > SQUARE or not (spacing > 0.0).all():
        raise ValueError("directions that are none")


def _levels(segments: Any) -> dict[int, str]:
    levels = {int(segment.SegmentNumber): _level(segment) for segment in segments}
    return {number: level for number, level in levels.items() if level is not None}


def _level(segment: Dataset) -> str | None:
    """Return the level of a segment: by the code of what it is, else by its label, such as "vertebrae_L1"."""
    for item in segment.get("SegmentedPropertyTypeCodeSequence") or []:
        code = Code(str(item.get("CodeValue")), str(item.get("CodingSchemeDesignator")), "")
        if level := LEVEL_CODES.get((code.value, code.scheme_designator)):
            return level
    words = re.split("[^A-Z0-9]+", str(segment.get("SegmentLabel", "")).upper())
    named = {word for word in words if word in LEVELS}
    return named.pop() if len(named) == 1 else None

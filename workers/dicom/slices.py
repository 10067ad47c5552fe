"""The slices of DICOM images: where each lies, and how its stored values become HU.

PS3.3 C.7.6.2 (image plane), C.7.6.16 (multi-frame functional groups), C.8.2.1 (CT image).
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset, uid

from app.contract.errors import BadDimensions
from workers.dicom.headers import ImageFile, dicom_errors

MAX_SLICES = 20_000
"""Of one upload; a frame of a multi-frame image is a slice too."""
FAR_MM = 1e6
MOST_BITS = 64
"""Of a stored value; no decoder gives more."""
SQUARE = 1e-3
"""How far from unit length and from a right angle the direction cosines may be."""
CT_CLASSES = (uid.CTImageStorage, uid.EnhancedCTImageStorage, uid.LegacyConvertedEnhancedCTImageStorage)
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Slice:
    """One slice, which is an image, or a frame of one.

    Attributes
    ----------
    file
        Where it is.
    frame
        Its number in a multi-frame image, from 1; else None.
    series_uid, modality, sop_class, image_type, kernel
        As the header has them; "" and () where it does not.
    place
        Centre of the first voxel, mm LPS; None where the header does not say it.
    rows, columns
        Unit vectors at a right angle, along a row (to the next column) and along a column, LPS; None as above.
    spacing_mm
        Between rows, and between columns; None as above.
    shape
        Number of rows and columns.
    phase
        What may tell apart slices at one place: numbers of acquisition, temporal position and stack.
    bits
        Number of bits of a stored value that are used.
    slope, intercept, unit
        HU = stored · slope + intercept; what the header says that the result is, "" where nothing.
    """

    file: ImageFile
    frame: int | None
    series_uid: str
    modality: str
    sop_class: str
    image_type: tuple[str, ...]
    kernel: str
    place: Triple | None
    rows: Triple | None
    columns: Triple | None
    spacing_mm: tuple[float, float] | None
    shape: tuple[int, int]
    phase: tuple[str, ...]
    bits: int
    slope: float
    intercept: float
    unit: str


def slices_of(files: list[ImageFile]) -> tuple[list[Slice], int]:
    """Return the slices of image files, and how many files hold no image.

    Raises
    ------
    BadDimensions
        There are more slices than any study has.
    CorruptFile
        A header contradicts itself.
    """
    slices: list[Slice] = []
    others = 0
    for file in files:
        header = file.header
        if "Rows" not in header or "Columns" not in header or "SeriesInstanceUID" not in header:
            others += 1
            continue
        with dicom_errors("The header of a DICOM image"):
            count = int(header.get("NumberOfFrames") or 1)
            if len(slices) + count > MAX_SLICES:
                raise BadDimensions("Send the CT series alone.", expected=f"at most {MAX_SLICES} slices", got="more")
            multi = "PerFrameFunctionalGroupsSequence" in header
            numbers: list[int | None] = [*range(1, count + 1)] if multi else [None]
            slices += [_slice(file, number) for number in numbers]
    return slices, others


def _slice(file: ImageFile, frame: int | None) -> Slice:
    header = file.header
    orientation = _directions(group_of(header, frame, "PlaneOrientationSequence"))
    spacing = _numbers(group_of(header, frame, "PixelMeasuresSequence"), "PixelSpacing", 2)
    place = _numbers(group_of(header, frame, "PlanePositionSequence"), "ImagePositionPatient", 3)
    values = group_of(header, frame, "PixelValueTransformationSequence")
    content = group_of(header, frame, "FrameContentSequence")
    kind = group_of(header, frame, "CTImageFrameTypeSequence")
    return Slice(
        file,
        frame,
        series_uid=str(header.SeriesInstanceUID),
        modality=_text(header, "Modality"),
        sop_class=_text(header, "SOPClassUID"),
        image_type=tuple(str(value) for value in (kind.get("FrameType") or header.get("ImageType") or ())),
        kernel=_text(group_of(header, frame, "CTReconstructionSequence"), "ConvolutionKernel"),
        place=(place[0], place[1], place[2]) if place else None,
        rows=(orientation[0], orientation[1], orientation[2]) if orientation else None,
        columns=(orientation[3], orientation[4], orientation[5]) if orientation else None,
        spacing_mm=(spacing[0], spacing[1]) if spacing else None,
        shape=(int(header.Rows), int(header.Columns)),
        phase=(
            _text(header, "AcquisitionNumber"),
            _text(header, "TemporalPositionIdentifier"),
            _text(content, "FrameAcquisitionNumber"),
            _text(content, "TemporalPositionIndex"),
            _text(content, "StackID"),
        ),
        bits=min(int(header.get("BitsStored") or 16), MOST_BITS),
        slope=float(values.get("RescaleSlope") or 1.0),
        intercept=float(values.get("RescaleIntercept") or 0.0),
        unit=_text(values, "RescaleType"),
    )


def group_of(header: Dataset, frame: int | None, name: str) -> Dataset:
    """Return the functional group of a frame, its own or the shared one; of a single slice its header."""
    if frame is None:
        return header
    own = header.PerFrameFunctionalGroupsSequence[frame - 1]
    shared = header.get("SharedFunctionalGroupsSequence") or [Dataset()]
    group = own.get(name) or shared[0].get(name)
    return group[0] if group else Dataset()


def _numbers(group: Dataset, name: str, n: int) -> list[float] | None:
    """Return the n numbers of an attribute; None where it has others, or one that is no length on Earth."""
    values = [float(value) for value in group.get(name) or ()]
    return values if len(values) == n and all(abs(value) < FAR_MM for value in values) else None


def _directions(group: Dataset) -> list[float] | None:
    """Return the direction cosines of rows and columns; None where they are no unit vectors at a right angle."""
    values = _numbers(group, "ImageOrientationPatient", 6)
    if values is None:
        return None
    rows, columns = values[:3], values[3:]
    products = (_dot(rows, rows) - 1.0, _dot(columns, columns) - 1.0, _dot(rows, columns))
    return values if max(map(abs, products)) <= SQUARE else None


def _dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _text(group: Dataset, name: str) -> str:
    value = group.get(name)
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return "" if value is None else str(value)
    return "\\".join(str(part) for part in value)

"""What DICOM results need of the DICOM that a CT was read from: patient, study, series, and each slice's place.

The only module that keeps the patient's identity. It lies in one file of the attempt's scratch folder, which only the
service's user may read and which is removed with the attempt. Nothing of it goes into logs, rows, or other results.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydicom import DataElement, Dataset
from pydicom.datadict import tag_for_keyword

FILE_NAME = "source_dicom.json"
"""In the attempt's scratch folder."""

EMPTY_IF_ABSENT = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "Manufacturer",
    "PositionReferenceIndicator",
)
"""Attributes of type 2 (PS3.3): an object has them, empty where the value is not known."""

KEPT = (
    *("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "InstanceNumber"),  # SOP common, C.12.1
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "OtherPatientIDsSequence"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "StudyDescription"),  # C.7.2.1
    *("ReferringPhysicianName", "IssuerOfAccessionNumberSequence", "TimezoneOffsetFromUTC"),
    *("PatientAge", "PatientSize", "PatientWeight"),  # patient study, C.7.2.2
    *("Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDate", "SeriesTime", "SeriesDescription"),  # C.7.3.1
    *("BodyPartExamined", "PatientPosition", "AnatomicRegionSequence"),
    *("FrameOfReferenceUID", "PositionReferenceIndicator"),  # C.7.4.1
    *("Manufacturer", "ManufacturerModelName"),  # equipment, C.7.5.1
    *("AcquisitionNumber", "AcquisitionDate", "AcquisitionTime", "ContentDate", "ContentTime", "ImageType"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),  # image pixel, C.7.6.3
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleSlope", "RescaleIntercept"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),  # multi-frame, C.7.6.16
    *("DimensionOrganizationSequence", "DimensionIndexSequence"),
)
"""Keywords of the attributes that are kept: those of the modules that a SEG, an SR or an encapsulated PDF copies from
its source (PS3.3 A.51, A.35, A.45), and those that place the slices."""


@dataclass(frozen=True)
class SourceDicom:
    """The DICOM images of a CT, without their pixels.

    Attributes
    ----------
    headers
        One data set of the `KEPT` attributes for each slice, in the order of the planes of the CT's third axis; of a
        multi-frame image one data set. Voxel (i, j, k) of the CT is column i and row j of slice k.
    frames
        Of a multi-frame image the number, from 1, of the frame of each plane; else empty.
    resampled
        The slices lay unevenly, so the CT's planes are interpolated between them: there is no slice k.
    """

    headers: tuple[Dataset, ...]
    frames: tuple[int, ...] = ()
    resampled: bool = False

    def save(self, path: Path) -> None:
        """Write the file: JSON with the data sets in the DICOM JSON model (PS3.18 F.2)."""
        headers = [header.to_json_dict() for header in self.headers]
        path.write_text(json.dumps({"headers": headers, "frames": self.frames, "resampled": self.resampled}))

    @classmethod
    def load(cls, path: Path) -> SourceDicom:
        """Read the file that `save` wrote. Raise `RuntimeError` where it holds something else."""
        try:
            stored = json.loads(path.read_text())
            headers = tuple(Dataset.from_json(header) for header in stored["headers"])
            return cls(headers, tuple(stored["frames"]), stored["resampled"])
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            kind = type(error).__name__
        raise RuntimeError(f"the stored headers cannot be read: {kind}")  # pydicom's message quotes the value


def header_of(image: Dataset) -> Dataset:
    """Return the `KEPT` attributes of an image; those of type 2 that it lacks are there without a value.

    An attribute whose value is none of its kind, such as a weight of "70,5 kg", counts as lacking.
    """
    kept = Dataset()
    for keyword in KEPT:
        if keyword in image:
            kept[keyword] = image[keyword]
    if not _can_be_stored(kept):
        for element in list(kept):
            if not _can_be_stored(_alone(element)):
                del kept[element.tag]
    for keyword in EMPTY_IF_ABSENT:
        if keyword not in kept:
            setattr(kept, keyword, "")
    return kept


def _can_be_stored(header: Dataset) -> bool:
    """Whether `SourceDicom.load` gives back what `SourceDicom.save` writes of a data set."""
    try:
        Dataset.from_json(json.loads(json.dumps(header.to_json_dict())))
    except Exception:  # of many kinds, with messages that quote the value
        return False
    return True


def _alone(element: DataElement) -> Dataset:
    alone = Dataset()
    alone.add(element)
    return alone


def kept_tags() -> list[int]:
    """Return the tags of the `KEPT` attributes: all that a reader has to read."""
    return [tag for keyword in KEPT if (tag := tag_for_keyword(keyword)) is not None]

"""A DICOM series as clients see it: by a hash of its UID, and with nothing of the patient."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from app.contract.section import Number, Positive, Section

ID_DIGITS = 16
"""Of a series id; two of 1000 series share one with a probability of 3e-14."""

MAX_DICOM_FILES = 20_000
"""Files of one upload. A study of several phases and reconstructions has 500 to 5,000."""

Orientation = Literal["axial", "sagittal", "coronal", "oblique"]


def series_id(uid: str) -> str:
    """Return the id of a series: the first digits of the SHA-256 of its SeriesInstanceUID, hex."""
    return hashlib.sha256(uid.encode()).hexdigest()[:ID_DIGITS]


def _as_id(text: str) -> str:
    return series_id(text) if "." in text else text


AskedSeries = Annotated[
    str,
    Field(max_length=64, pattern=rf"^([0-9]+(\.[0-9]+)+|[0-9a-f]{{{ID_DIGITS}}}(-[0-9]{{1,3}})?)$"),
    AfterValidator(_as_id),
]
"""A SeriesInstanceUID, which becomes its `series_id`, or an id that the service listed. So no row keeps the UID."""


class DicomSeries(Section):
    """One series of the DICOM files that were sent."""

    id: str = Field(
        description="Names the series in `series_uid`: the first 16 hex digits of the SHA-256 of its "
        "SeriesInstanceUID, and a number where a series holds several volumes."
    )
    modality: str = Field(description="Modality, e.g. `CT`.")
    orientation: Orientation | None = Field(description="Of its slices; null where they do not say it.")
    slices: int = Field(ge=1, description="Number of slices.")
    spacing_mm: Positive | None = Field(description="Between neighbouring slices, mm; null where it is not known.")
    kernel: str | None = Field(description="Convolution kernel, as the scanner names it; null where it does not.")
    left_out: str | None = Field(description="Why it holds no CT that a job can read; null where it does.")


class DicomInput(Section):
    """Which of the DICOM series that were sent the job read, and what was done to its slices."""

    series: DicomSeries = Field(description="The series that was read.")
    reason: str = Field(description="Why this one was chosen.")
    others: list[DicomSeries] = Field(description="The other series, 100 at most.")
    files_left_out: int = Field(ge=0, description="Files that are no DICOM image, or cannot be read.")
    transfer_syntax: str = Field(description="How the pixels were stored.")
    lossy: bool = Field(description="Whether they went through a compression with loss.")
    lossy_ratio: Positive | None = Field(
        description="How many times smaller that made the pixels, as the header says; null where it does not.",
        default=None,
    )
    gantry_tilt_deg: Number = Field(description="Between the slices' normal and the line along which they lie, °.")
    repeated_slices: int = Field(ge=0, description="Slices that were sent twice; one of each was read.")
    resampled_to_mm: Positive | None = Field(
        description="Spacing of the planes that were interpolated because the slices lie unevenly, mm; null where "
        "every plane is a slice."
    )
    tube_voltage_kv: Positive | None = Field(
        default=None, description="Tube voltage, kV; null where the headers do not say it, or the slices have several."
    )
    contrast_agent: bool = Field(
        default=False,
        description="A header names a contrast agent, and not that it was given by mouth or rectum alone.",
    )

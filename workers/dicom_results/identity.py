"""What all DICOM results of a vertebra share: the images they belong to, and UIDs that follow from what they say."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydicom.uid import UID

from app.contract.report import Report
from workers.dicom.source_dicom import SourceDicom

NAMESPACE = uuid.UUID("7b1d4c7e-3f0a-5d0e-9a3b-5f3c7a1d2e60")
"""Of the names from which UIDs are made (RFC 9562 section 5.5)."""
SERIES_NUMBERS = {"segmentation": 9101, "measurements": 9102, "report": 9103}
"""High enough to stand behind the scanner's series in a list."""
CHARACTER_SET = "ISO_IR 192"
"""UTF-8: it has the letters of every name."""

Kind = Literal["segmentation", "measurements", "report"]


@dataclass(frozen=True)
class Origin:
    """The images that a vertebra was computed from, and what was computed.

    Attributes
    ----------
    source
        The DICOM images of the CT, without the patient (`workers.dicom_results.patient.nameless`).
    report
        The report of the vertebra.
    """

    source: SourceDicom
    report: Report

    def uid(self, of: str) -> UID:
        """Return the UID of a thing. The same images and the same report give the same one again.

        So an archive that gets the results of an attempt twice has them once (PS3.5 annex B.2 has the form).
        """
        return UID(f"2.25.{uuid.uuid5(self._name, of).int}")

    @cached_property
    def _name(self) -> uuid.UUID:
        series = self.source.headers[0].SeriesInstanceUID
        said = self.report.model_dump_json(exclude={"timings_s"})
        return uuid.uuid5(NAMESPACE, f"{series} {said}")

    def instance(self, kind: Kind) -> dict[str, Any]:
        """Return what highdicom wants to know of a new instance: it is alone in a series of its own."""
        software, level = self.report.software, self.report.vertebra
        return {
            "series_instance_uid": self.uid(f"{kind} series"),
            "series_number": SERIES_NUMBERS[kind],
            "sop_instance_uid": self.uid(kind),
            "instance_number": 1,
            "manufacturer": software.name,
            "manufacturer_model_name": software.name,
            "software_versions": f"{software.version}, bundle {software.bundle_version}",
            "device_serial_number": software.bundle_version,
            "series_description": f"Vertebra {level} {kind}, research use only",
            "specific_character_set": CHARACTER_SET,
        }

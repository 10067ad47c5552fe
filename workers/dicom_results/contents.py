"""What the DICOM results of a vertebra hold, and their names. It loads no DICOM library: most jobs need none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.contract.params import ResultName
from app.contract.report import Report
from models.types import Floats
from workers.mask.ct_grid import PlacedMask

SEGMENTATION: ResultName = "segmentation.dcm"
MEASUREMENTS: ResultName = "measurements.dcm"
REPORT: ResultName = "report.dcm"


@dataclass(frozen=True)
class Stressed:
    """What the DICOM results of a vertebra hold.

    Attributes
    ----------
    report
        Its report.
    mask
        Its mask on the CT's grid.
    affine
        (4, 4): of that grid, voxel to RAS+ mm.
    pdf
        The one-page report.
    made_at
        When the job computed it, UTC.
    """

    report: Report
    mask: PlacedMask
    affine: Floats
    pdf: bytes
    made_at: datetime

"""The DICOM results as files of a job: made where the CT came as DICOM, and never the reason why a job fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from app.contract.params import DICOM_RESULTS, ResultName
from workers.dicom.source_dicom import SourceDicom
from workers.dicom_results.contents import Stressed

log = logging.getLogger(__name__)

NOT_MADE = (
    "The DICOM results are missing: the headers of the images that were sent lack what a segmentation, a structured "
    "report or an encapsulated PDF needs."
)
UNUSABLE = (AttributeError, KeyError, IndexError, TypeError, ValueError)
"""What pydicom and highdicom raise for headers that are not as DICOM says."""


def write_dicom_files(
    folder: Path, source: SourceDicom | None, contents: Callable[[], Stressed], wants: Callable[[ResultName], bool]
) -> list[str]:
    """Write the wanted DICOM results; return a warning where the headers of the source do not allow them.

    Parameters
    ----------
    folder
        Existing folder.
    source
        The images; without them there are no DICOM results.
    contents
        Returns what the results hold.
    wants
        Whether the job makes a file of this name.
    """
    if source is None or not any(wants(name) for name in DICOM_RESULTS):
        return []
    from workers.dicom_results.write import write_dicom_results  # highdicom takes 2 s to load

    try:
        write_dicom_results(folder, source, contents(), wants)
    except UNUSABLE as error:
        log.warning("no DICOM results: %s", type(error).__name__)  # its words may quote the patient
        for name in DICOM_RESULTS:
            (folder / name).unlink(missing_ok=True)
        return [NOT_MADE]
    return []

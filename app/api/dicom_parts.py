"""How many `dicom` parts a form may have, one DICOM file each; `app.jobs.dicom_zip` writes them."""

from __future__ import annotations

from app.contract.dicom_series import MAX_DICOM_FILES
from app.contract.errors import MalformedRequest


def one_more(parts: int) -> int:
    """Return the number of `dicom` parts after one more, which may be empty.

    Raises
    ------
    MalformedRequest
        There are more than any study has files.
    """
    if parts >= MAX_DICOM_FILES:
        raise MalformedRequest("Send one study.", expected=f"at most {MAX_DICOM_FILES} `dicom` parts", got="more")
    return parts + 1

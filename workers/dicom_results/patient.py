"""The patient and the study of the source images: copied into each DICOM result at the end, as they are.

The library that builds the results never sees them. So no message of it can quote them, and a value that is not as
DICOM says, which archives have, refuses no result.
"""

from __future__ import annotations

from copy import deepcopy

from pydicom import Dataset

PATIENT_AND_STUDY = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "OtherPatientIDsSequence"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "IssuerOfAccessionNumberSequence", "StudyDescription"),
    *("ReferringPhysicianName", "PatientAge", "PatientSize", "PatientWeight"),
)
"""Keywords of the attributes beside StudyInstanceUID (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2)."""
EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "ReferringPhysicianName"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber"),
)
"""Those that an object has without a value (type 2)."""


def nameless(header: Dataset) -> Dataset:
    """Return a header without patient and study; those of type 2 are empty."""
    out = deepcopy(header)
    for keyword in PATIENT_AND_STUDY:
        if keyword in out:
            del out[keyword]
    for keyword in EMPTY:
        setattr(out, keyword, "")
    return out


def give_patient(result: Dataset, header: Dataset) -> None:
    """Give a result the patient and the study of a source image."""
    for keyword in PATIENT_AND_STUDY:
        if keyword in header:
            result[keyword] = header[keyword]

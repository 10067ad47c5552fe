"""``report.dcm``: the one-page report as an encapsulated PDF (PS3.3 A.45.1) in the study of the images."""

from __future__ import annotations

from datetime import datetime

from highdicom import SOPClass
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from workers.dicom_results.identity import Origin


def build_encapsulated_pdf(origin: Origin, pdf: bytes, made_at: datetime) -> SOPClass:
    """Return the object that holds a PDF.

    Parameters
    ----------
    origin
        The images and the report.
    pdf
        The file. It says nothing of the patient; that only the object's own header does.
    made_at
        When the job computed it, UTC.
    """
    image = origin.source.headers[0]
    names = {name: value for name, value in origin.instance("report").items() if name != "device_serial_number"}
    document = SOPClass(
        study_instance_uid=image.StudyInstanceUID,
        sop_class_uid=EncapsulatedPDFStorage,
        modality="DOC",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_date=made_at.date(),
        content_time=made_at.time(),
        **names,
    )
    document.ConversionType = "WSD"  # made on a workstation
    document.BurnedInAnnotation = "NO"
    document.RecognizableVisualFeatures = "NO"
    document.AcquisitionDateTime = ""
    document.ConceptNameCodeSequence = []
    document.DocumentTitle = f"Von Mises stress in vertebra {origin.report.vertebra}, research use only"
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document.EncapsulatedDocumentLength = len(pdf)
    document.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return document

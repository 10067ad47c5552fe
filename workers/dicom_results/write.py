"""Writes the DICOM results of a vertebra: segmentation, structured report, and the one-page report."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock

from pydicom import Dataset, config

from app.contract.params import ResultName
from workers.dicom.source_dicom import SourceDicom
from workers.dicom_results.contents import MEASUREMENTS, REPORT, SEGMENTATION, Stressed
from workers.dicom_results.encapsulated_pdf import build_encapsulated_pdf
from workers.dicom_results.identity import Origin
from workers.dicom_results.patient import give_patient, nameless
from workers.dicom_results.segmentation import build_segmentation
from workers.dicom_results.structured_report import build_structured_report

ONE_AT_A_TIME = Lock()
"""Warnings are on or off for all threads of the process."""


def write_dicom_results(
    folder: Path, source: SourceDicom, contents: Stressed, wants: Callable[[ResultName], bool]
) -> None:
    """Write the wanted DICOM results into a folder, in the study of the source and with its patient.

    The structured report refers to the segmentation, so that is there wherever the report is. Nobody else may write
    warnings meanwhile: they are off, because the libraries quote values in them. Two levels write one after the other.
    """
    origin = Origin(replace(source, headers=tuple(map(nameless, source.headers))), contents.report)
    with ONE_AT_A_TIME, _silence():
        if wants(SEGMENTATION) or wants(MEASUREMENTS):
            segmentation = build_segmentation(origin, contents.mask, contents.affine)
            _save(folder / SEGMENTATION, segmentation, source)
            if wants(MEASUREMENTS):
                _save(folder / MEASUREMENTS, build_structured_report(origin, segmentation), source)
        if wants(REPORT):
            _save(folder / REPORT, build_encapsulated_pdf(origin, contents.pdf, contents.made_at), source)


def _save(path: Path, result: Dataset, source: SourceDicom) -> None:
    give_patient(result, source.headers[0])
    result.save_as(path, enforce_file_format=True)


@contextmanager
def _silence() -> Iterator[None]:
    before = config.settings.writing_validation_mode
    config.settings.writing_validation_mode = config.IGNORE
    for library in ("pydicom", "highdicom"):
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        config.settings.writing_validation_mode = before

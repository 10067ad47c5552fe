"""Keeps the masks by which people correct outlines, with their CTs, as cases to train with.

The operator sets the folder (`app.jobs.settings.Settings.corrections_dir`); without it nothing is kept. Its
``cases.csv`` is a manifest as `python -m training` takes it: a line for each level of each correction.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from app.jobs.private_files import make_private_folder, open_private

log = logging.getLogger(__name__)

MANIFEST = "cases.csv"
COLUMNS = ("ct", "mask", "convention", "level", "person", "label")
PERSON_DIGITS = 16
"""Digits of the CT's SHA-256 that stand for the person: nobody tells who it is, and one scan is one person."""

COMPRESSED = b"\x1f\x8b"
"""What a compressed NIfTI file begins with; others are plain NIfTI."""

REPORT = "report.json"


class _File(Protocol):
    """A result file: its name and where it lies."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> Path: ...


def reports_of(files: Iterable[_File]) -> list[dict[str, Any]]:
    """Return the reports among result files: one, or one of each level that is done."""
    paths = [file.path for file in files if file.name.rpartition("/")[2] == REPORT]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def keep_correction(
    folder: Path | None,
    job_id: str,
    files: tuple[Path, Path],
    reports: Iterable[dict[str, Any]],
    converted: tuple[Path | None, Path | None] = (None, None),
) -> None:
    """Copy CT and mask of a job that has succeeded, and add its levels to the manifest.

    The results are published, so what fails here is only logged. A vertebra of unknown level is no case.

    Parameters
    ----------
    folder
        Where cases are kept; ``None``: nowhere.
    job_id
        Job whose mask corrects an outline.
    files
        CT and mask as they were sent.
    reports
        Reports of the job, as JSON.
    converted
        CT and mask as NIfTI, each where it was sent as DICOM. They are kept instead: DICOM tells who the person is.
    """
    cases = [case for report in reports if (case := _case(report))]
    if folder is None or not cases:
        return
    try:
        sent, outline = files
        ct = _copy(converted[0] or sent, folder / job_id, "ct")
        mask = _copy(converted[1] or outline, folder / job_id, "mask")
        names = {"ct": f"{job_id}/{ct.name}", "mask": f"{job_id}/{mask.name}", "person": _person(sent)}
        _add_lines(folder / MANIFEST, [case | names for case in cases])
    except OSError:
        log.exception("job %s: the correction cannot be kept in %s", job_id, folder)
        return
    log.info("job %s: the correction is kept, levels %s", job_id, [case["level"] for case in cases])


def _case(report: dict[str, Any]) -> dict[str, str] | None:
    """Return what a line of the manifest says of the mask; ``None`` where nobody knows the level."""
    if report["vertebra"] == "unknown":
        return None
    numbering = report.get("numbering") or {}
    convention = numbering.get("convention")
    label = numbering.get("label")
    return {"convention": convention or "", "level": report["vertebra"], "label": "" if label is None else str(label)}


def _person(ct: Path) -> str:
    with ct.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:PERSON_DIGITS]


def _copy(source: Path, folder: Path, name: str) -> Path:
    """Copy a NIfTI file of the job into a folder under a name, with the suffix of what it is."""
    make_private_folder(folder)
    with source.open("rb") as stream:
        suffix = ".nii.gz" if stream.read(2) == COMPRESSED else ".nii"
        stream.seek(0)
        target = folder / f"{name}{suffix}"
        with open(target, "wb", opener=open_private) as out:
            shutil.copyfileobj(stream, out)
    return target


def _add_lines(manifest: Path, cases: list[dict[str, str]]) -> None:
    """Append lines to the manifest, with its heading if it is new; one process at a time."""
    with open(manifest, "a", newline="", encoding="utf-8", opener=open_private) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        if stream.seek(0, os.SEEK_END) == 0:
            writer.writeheader()
        writer.writerows(cases)

"""The CTs of a batch and what is known of each; the CSV file holds it, so that a later run goes on where one ended."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from dataclasses import dataclass, field
from pathlib import Path

from app.commands.job_arguments import CommandError
from app.contract.summary import Headline, LevelSummary
from vertebra_client import Submission
from vertebra_client.submission import files_below

PIECE = 1 << 20
COLUMNS = (
    "file", "level", "state", "next", "problem", "detail", "p99_mpa", "body_p99_mpa", "peak_off_endplates_mpa",
    "peak_mpa", "expected_error_percent", "volume_mm3", "trabecular_density_mg_cm3", "water_line_density_mg_cm3",
    "stiffness_n_per_mm", "linear_strength_newton", "calibrated", "level_verified", "warnings",
    "job", "results", "request",
)  # fmt: skip
"""Of the CSV file. ``request`` is a hash of files and parameters, ``next`` says what a person should do."""

DONE, REFUSED, FAILED, SENT, NOT_SENT = "done", "refused", "failed", "sent", "not sent"
"""States of a case: has results; the service says why it gets none; something went wrong; runs or waits; not there."""

Row = dict[str, str]


@dataclass
class Case:
    """One CT of the batch."""

    file: str
    submission: Submission
    request: str
    state: str = NOT_SENT
    job: str = ""
    rows: list[Row] = field(default_factory=list)

    def lines(self) -> list[Row]:
        """Return the rows of the CSV file: one a level, at least one."""
        common = {"file": self.file, "job": self.job, "request": self.request}
        return [{"state": self.state} | row | common for row in self.rows or [{}]]


def request_of(submission: Submission) -> str:
    """Return a hash of the files and parameters of a job: another one makes another job."""
    digest = hashlib.sha256(submission.params.model_dump_json(exclude_unset=True).encode())
    for file in (submission.ct, submission.mask):
        digest.update(b"\0")
        if isinstance(file, Path):
            for path in files_below(file) if file.is_dir() else [file]:
                digest.update(_sha256(path))
    return digest.hexdigest()[:32]


def level_row(level: LevelSummary) -> Row:
    """Return what the CSV file says of a level."""
    if level.problem is not None:
        return {"level": level.vertebra, "state": REFUSED} | problem_columns(level.problem)
    assert level.headline is not None
    return numbers_row(level.vertebra, level.headline, level.warnings)


def numbers_row(level: str, numbers: Headline, warnings: list[str]) -> Row:
    """Return what the CSV file says of a vertebra that has results."""
    away, error, bone = numbers.peak_away_from_endplates, numbers.expected_error, numbers.bone
    values = {
        "p99_mpa": numbers.p99_mpa,
        "body_p99_mpa": numbers.body_p99_mpa,
        "peak_off_endplates_mpa": away and away.value_mpa,
        "peak_mpa": numbers.peak_von_mises.value_mpa,
        "expected_error_percent": error and error.total_percent,
        "volume_mm3": numbers.volume_mm3,
        "trabecular_density_mg_cm3": bone and bone.trabecular_density_mg_cm3,
        "water_line_density_mg_cm3": bone and bone.water_line_density_mg_cm3,
        "stiffness_n_per_mm": bone and bone.stiffness_n_per_mm,
        "linear_strength_newton": bone and bone.linear_strength_newton,
    }
    texts = {name: "" if value is None else f"{value:.6g}" for name, value in values.items()}
    truths = {"level_verified": numbers.level_verified, "calibrated": bone.calibrated if bone else None}
    texts |= {name: "" if truth is None else str(truth).lower() for name, truth in truths.items()}
    return {"level": level, "state": DONE, "warnings": " ".join(warnings)} | texts


def problem_columns(problem: dict[str, object]) -> Row:
    """Return what the CSV file says of problem details."""
    return {"problem": str(problem["type"]).rsplit("/", 1)[-1], "detail": str(problem["detail"])}


def read(path: Path) -> dict[str, list[Row]]:
    """Return the rows of an earlier run by file; none if there was no run.

    Raises
    ------
    CommandError
        The file is not one of a batch.
    """
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise CommandError(f"{path} is not the CSV file of a batch of this release. Name another file.")
        rows: dict[str, list[Row]] = {}
        for row in reader:
            rows.setdefault(row["file"], []).append({name: str(row[name] or "") for name in COLUMNS})
        return rows


def write(path: Path, cases: list[Case]) -> None:
    """Write the CSV file; it is whole at any moment."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for case in cases for row in case.lines())
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.part")
    half.write_text(out.getvalue(), encoding="utf-8", newline="")
    os.replace(half, path)


def case_of(file: str, submission: Submission, earlier: list[Row]) -> Case:
    """Return a case with what an earlier run left of it, if that had the same files and parameters."""
    case = Case(file, submission, request_of(submission))
    if not earlier or earlier[0]["request"] != case.request:
        return case
    states = {row["state"] for row in earlier}
    case.state = DONE if DONE in states else earlier[0]["state"]
    case.job = earlier[0]["job"]
    case.rows = [{name: value for name, value in row.items() if value} for row in earlier]
    return case


def _sha256(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(PIECE):
            digest.update(data)
    return digest.digest()

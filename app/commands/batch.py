"""The jobs of a batch: a few are sent ahead, and the oldest is waited for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

from app.commands.batch_cases import (
    DONE,
    FAILED,
    REFUSED,
    SENT,
    Case,
    Row,
    level_row,
    numbers_row,
    problem_columns,
    write,
)
from app.contract.errors import (
    EmptyUpload,
    InputError,
    InvalidParameters,
    JobNotFinished,
    JobNotFound,
    UploadTooLarge,
    VertebraError,
)
from app.contract.job import Job
from app.contract.summary import LevelSummary, headline_of
from vertebra_client import Client, JobCancelledError, JobFailedError

OF_ONE_FILE = (EmptyUpload, UploadTooLarge, InvalidParameters)
"""Refusals that another file of the batch need not meet; every other error ends the run."""

ONCE_MORE = "Run the same command with --again. If it fails again, tell the operator the job's id."


class Batch:
    """Runs cases and keeps the CSV file up to date.

    Parameters
    ----------
    client
        Of the service.
    cases
        What to run, with what is known of each.
    table
        The CSV file.
    out
        Folder for the results, or None.
    """

    def __init__(self, client: Client, cases: list[Case], table: Path, out: Path | None) -> None:
        self._client, self._cases, self._table, self._out = client, cases, table, out

    def run(self, ahead: int, again: bool, tell: Callable[[int, Case], None]) -> None:
        """Run every case that is not done, and with ``again`` those that were refused or failed.

        ``tell`` is called with the number of each case and the case, when it has ended.
        """
        running: deque[tuple[int, Case]] = deque()
        for number, case in enumerate(self._cases, start=1):
            if self._send(case, again):
                running.append((number, case))
            else:
                tell(number, case)
            while len(running) >= ahead:
                self._finish(*running.popleft(), tell)
        while running:
            self._finish(*running.popleft(), tell)

    def _send(self, case: Case, again: bool) -> bool:
        """Send a case if that is needed; return whether its job is to be waited for."""
        if case.state == SENT:
            return True
        if case.state == DONE and not self._lacks_files(case):
            return False
        if case.state in (REFUSED, FAILED) and not again:
            return False
        if case.state != DONE:
            self._submit(case)
        return case.state in (SENT, DONE)

    def _submit(self, case: Case) -> None:
        """Make the job of a case: of the files that the service has, or else of those here."""
        try:
            has_files = case.job and case.state in (REFUSED, FAILED)
            job = self._client.retry(case.job) if has_files else self._upload(case)
        except (JobNotFound, JobNotFinished):
            job = self._upload(case)
        except OF_ONE_FILE as error:
            self._set(case, REFUSED, [problem_columns(error.problem()) | {"next": error.detail}])
            return
        case.job = job.id
        self._set(case, SENT, [])

    def _upload(self, case: Case) -> Job:
        return self._client.submit(case.submission, idempotency_key=f"batch-{case.request}")

    def _finish(self, number: int, case: Case, tell: Callable[[int, Case], None]) -> None:
        """Wait for the job of a case and note how it ended."""
        try:
            job = self._client.wait(case.job)
        except JobFailedError as failure:
            self._fail(case, failure)
        except JobCancelledError as cancelled:
            self._set(case, FAILED, [{"problem": "cancelled", "detail": str(cancelled), "next": ONCE_MORE}])
        except JobNotFound:  # somebody deleted it, or its retention has ended
            case.job = ""
            self._submit(case)
            if case.state == SENT:
                self._finish(number, case, tell)
                return
        else:
            self._succeed(case, job)
        tell(number, case)

    def _succeed(self, case: Case, job: Job) -> None:
        if job.params.has_folders:
            levels = self._client.summary(job.id).levels
            rows = [level_row(level) | _next_of_level(level, job.id) for level in levels]
        else:
            report = self._client.report(job.id)
            rows = [numbers_row(report.vertebra, headline_of(report), report.warnings)]
        if self._out is not None:
            folder = self._folder(case)
            self._client.download_all(job.id, folder)
            rows = [row | {"results": str(folder)} for row in rows]
        self._set(case, DONE, rows)

    def _fail(self, case: Case, failure: JobFailedError) -> None:
        error = failure.error
        state = REFUSED if isinstance(error, InputError) else FAILED
        row: Row = problem_columns(error.problem()) | {"next": next_step(error, case.job)}
        if self._out is not None and failure.job.links.results:
            folder = self._folder(case)
            self._client.download_all(case.job, folder)
            row["results"] = str(folder)
        self._set(case, state, [row])

    def _folder(self, case: Case) -> Path:
        assert self._out is not None
        return self._out / case.file.removesuffix(".gz").removesuffix(".nii").removesuffix(".zip")

    def _lacks_files(self, case: Case) -> bool:
        return self._out is not None and not self._folder(case).is_dir()

    def _set(self, case: Case, state: str, rows: list[Row]) -> None:
        case.state, case.rows = state, rows
        write(self._table, self._cases)


def next_step(error: VertebraError, job_id: str) -> str:
    """Return what a person should do about a problem: a command where one helps, or what the problem itself says."""
    candidates = error.extra.get("alternatives") or []
    labels = error.extra.get("labels_present") or []
    if candidates:
        seed = " ".join(f"{value:.1f}" for value in candidates[0]["centre_ras_mm"])
        return f"Look at the pictures. If candidate 1 is the vertebra: vertebra-stress retry {job_id} --seed {seed}"
    if labels:
        return f"vertebra-stress retry {job_id} --label N, with N one of {', '.join(map(str, labels))}"
    return error.detail if isinstance(error, InputError) else ONCE_MORE


def _next_of_level(level: LevelSummary, job_id: str) -> Row:
    if level.problem is None:
        return {}
    candidates = level.problem.get("alternatives") or []
    if not candidates:
        return {"next": str(level.problem["detail"])}
    seed = " ".join(f"{value:.1f}" for value in candidates[0]["centre_ras_mm"])
    command = f"vertebra-stress retry {job_id} --vertebra {level.vertebra} --seed {seed}"
    return {"next": f"Look at the pictures. If candidate 1 is the vertebra: {command}"}

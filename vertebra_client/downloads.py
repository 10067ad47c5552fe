"""The rules of results: list them, and download each whole, from where an earlier try broke off."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from app.contract.errors import RangeNotSatisfiable, ResultNotFound
from app.contract.report import Report
from app.contract.result_list import Result, ResultList
from app.contract.summary import Summary
from vertebra_client.answers import read
from vertebra_client.calls import Call, Progress, Steps
from vertebra_client.errors import DamagedResultError, ServiceUnreachableError
from vertebra_client.job_rules import job_path
from vertebra_client.partial_file import PartialFile
from vertebra_client.retries import Retries, ask

DOWNLOADS = 2
"""Downloads of a file that turns out damaged, before the client gives up."""


def results(job_id: str, retries: Retries) -> Steps[list[Result]]:
    """Return the list of files that a job has published."""
    call = Call("GET", job_path(job_id, "results"))
    answer = yield from ask(lambda: call, retries)
    return read(ResultList, answer.body).results


def result_path(job_id: str, name: str) -> str:
    """Return the path of a result below the URL of the service."""
    return job_path(job_id, "results", quote(name))


def report(job_id: str, level: str | None, retries: Retries) -> Steps[Report]:
    """Return the report of a job, or of one level of it."""
    call = Call("GET", result_path(job_id, f"{level}/report.json" if level else "report.json"))
    answer = yield from ask(lambda: call, retries)
    return read(Report, answer.body, ignore_new=True)


def summary(job_id: str, retries: Retries) -> Steps[Summary]:
    """Return the summary of a job with several levels."""
    call = Call("GET", result_path(job_id, "summary.json"))
    answer = yield from ask(lambda: call, retries)
    return read(Summary, answer.body, ignore_new=True)


def download_all(job_id: str, folder: Path, progress: Progress | None, retries: Retries) -> Steps[dict[str, Path]]:
    """Save every result of a job in a folder; return where each is. What is there whole is not fetched again."""
    listed = yield from results(job_id, retries)
    total, done = sum(result.size for result in listed), 0
    saved = {}
    for result in listed:
        own = None if progress is None else _shifted(progress, done, total)
        saved[result.name] = yield from download(job_id, result, PartialFile.of(result, folder, own), retries)
        done += result.size
    return saved


def download_one(job_id: str, name: str, folder: Path, progress: Progress | None, retries: Retries) -> Steps[Path]:
    """Save one result of a job in a folder; return its path."""
    listed = yield from results(job_id, retries)
    result = find(listed, name)
    return (yield from download(job_id, result, PartialFile.of(result, folder, progress), retries))


def find(listed: Iterable[Result], name: str) -> Result:
    """Return the result of a name. Raise `ResultNotFound`, which lists the names that there are."""
    by_name = {result.name: result for result in listed}
    if name not in by_name:
        raise ResultNotFound(
            "The job has no result of this name.", expected=", ".join(by_name) or "nothing", got=name[:100]
        )
    return by_name[name]


def download(job_id: str, result: Result, part: PartialFile, retries: Retries) -> Steps[Path]:
    """Save a result; go on where an earlier try broke off. The file appears whole or not at all.

    Raises
    ------
    AlreadyDownloadingError
        Another program or thread downloads it to the same place.
    DamagedResultError
        Size or SHA-256 are not those that the service lists.
    """
    if part.is_there():
        return part.target
    with part.held():
        if part.is_there():  # who held it before has ended
            return part.target
        for _ in range(DOWNLOADS):
            yield from _fetch(result_path(job_id, result.name), part, retries)
            if part.is_whole():
                return part.keep()
            part.discard()
    raise DamagedResultError(f"{result.name} arrived damaged {DOWNLOADS} times: its SHA-256 is not the listed one.")


def _fetch(path: str, part: PartialFile, retries: Retries) -> Steps[None]:
    """Fetch what a file lacks. As long as the file grows, a connection may break as often as it likes."""
    is_new = False
    while not part.is_whole():
        before = part.size
        try:
            yield from ask(lambda: Call("GET", path, headers=part.headers(), receiver=part), retries)
            return
        except ServiceUnreachableError:
            if part.size <= before:
                raise
        except RangeNotSatisfiable:  # what lies there is no beginning of this file
            if is_new or part.size == 0:
                raise
            is_new = True
            part.discard()


def _shifted(progress: Progress, done: int, total: int) -> Progress:
    return lambda size, _: progress(done + size, total)

"""``submit``, ``run`` and ``retry``: send a job, and follow it to its results."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from app.commands.connection import Commands, Opener, add_service_command
from app.commands.job_arguments import (
    add_job_arguments,
    add_mask_argument,
    add_params,
    params_of,
    require_files,
    submission_of,
)
from app.commands.levels_text import levels_text
from app.commands.output import emit, fail, say
from app.commands.progress_bars import bytes_bar, job_bar
from app.commands.report_text import summary
from app.contract.job import Job
from vertebra_client import Changes, Client, JobFailedError

TEXTS: dict[str, Callable[[Any], str]] = {"report.json": summary, "summary.json": levels_text}
"""Results that are printed, and how."""


def add(commands: Commands, opener: Opener) -> None:
    """Add the commands to the subparsers of the command line."""
    submit = add_service_command(commands, "submit", partial(_submit, opener), "send a CT and go on")
    add_job_arguments(submit, needs_ct=True)
    run = add_service_command(commands, "run", partial(run_job, opener), "send a CT, wait, download the results")
    add_job_arguments(run, needs_ct=True)
    add_follow_arguments(run, Path("results"))
    retry = add_service_command(
        commands, "retry", partial(_retry, opener), "run the files of a job again, with changes"
    )
    retry.add_argument("job", help="id of a job that has ended")
    add_mask_argument(retry)
    add_params(retry)
    add_follow_arguments(retry, None)


def add_follow_arguments(command: argparse.ArgumentParser, out: Path | None) -> None:
    """Add ``--out`` and ``--timeout``; without a default folder a command does not wait."""
    without = "without it the command does not wait" if out is None else f"default {out}"
    command.add_argument("--out", type=Path, default=out, help=f"folder for the results ({without})")
    command.add_argument("--timeout", type=float, metavar="S", help="longest time to wait, seconds (default: none)")


def run_job(opener: Opener, arguments: argparse.Namespace) -> int:
    """Send a job, wait for it and download its results."""
    submission = submission_of(arguments)
    with opener(arguments) as client:
        with bytes_bar("upload") as show:
            job = client.submit(submission, progress=show)
        return _follow(client, arguments, job)


def _submit(opener: Opener, arguments: argparse.Namespace) -> int:
    submission = submission_of(arguments)
    with opener(arguments) as client, bytes_bar("upload") as show:
        job = client.submit(submission, progress=show)
        emit(arguments, {"job": job}, f"job: {client.job_url(job)}\npage: {client.page_url(job)}")
    return 0


def _retry(opener: Opener, arguments: argparse.Namespace) -> int:
    require_files(arguments.mask)
    with opener(arguments) as client:
        job = client.retry(arguments.job, Changes(params_of(arguments), arguments.mask))
        if arguments.out is not None:
            return _follow(client, arguments, job)
        emit(arguments, {"job": job}, f"job: {client.job_url(job)}\npage: {client.page_url(job)}")
    return 0


def _follow(client: Client, arguments: argparse.Namespace, job: Job) -> int:
    """Wait for a job and download what it leaves: results, or the pictures of a refusal."""
    say(arguments, f"job: {client.job_url(job)}")
    try:
        with job_bar() as show:
            job = client.wait(job.id, timeout_s=arguments.timeout, progress=show)
    except JobFailedError as failure:
        status = fail(arguments, failure)
        if failure.job.links.results:
            saved = download_all(client, failure.job, arguments.out)
            say(arguments, saved_text(client, failure.job, saved, "pictures of what was refused"))
        return status
    saved = download_all(client, job, arguments.out)
    emit(arguments, {"job": job, "results": saved}, readable(saved) + saved_text(client, job, saved, "results"))
    return 0


def download_all(client: Client, job: Job, folder: Path) -> dict[str, Path]:
    """Download every result of a job."""
    folder.mkdir(parents=True, exist_ok=True)
    with bytes_bar("download") as show:
        return client.download_all(job.id, folder, progress=show)


def readable(saved: dict[str, Path]) -> str:
    """Return report and summary as text for a person."""
    texts = [
        f"\n{name.removesuffix('.json')}\n{_text(saved[name], text)}\n" for name, text in TEXTS.items() if name in saved
    ]
    return "".join(texts)


def saved_text(client: Client, job: Job, saved: dict[str, Path], heading: str) -> str:
    """Return where each result is."""
    lines = [
        f"  {client.result_url(job.id, name)}  ({path.stat().st_size / 1e6:.2f} MB)" for name, path in saved.items()
    ]
    folders = [path.parents[name.count("/")] for name, path in saved.items()]
    where = [f"\nsaved in {folders[0].resolve()}"] if folders else []
    return "\n".join([f"\n{heading}", *lines, *where])


def _text(path: Path, text: Callable[[Any], str]) -> str:
    report = json.loads(path.read_text(encoding="utf-8"))
    try:
        return text(report)
    except (KeyError, TypeError):  # the service has another version than this client
        return json.dumps(report, indent=2)

"""``status``, ``list``, ``results``, ``cancel`` and ``delete``: jobs that were submitted before."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import get_args

from app.commands.connection import Commands, Opener, add_service_command
from app.commands.output import emit
from app.commands.problem_text import problem_text
from app.commands.progress_bars import bytes_bar, job_bar, stage_of
from app.commands.run_commands import download_all, readable, saved_text
from app.contract.job import Job, JobState
from vertebra_client import Filter

LISTED = 50
"""Jobs that `list` shows without `--limit`."""


def add(commands: Commands, opener: Opener) -> None:
    """Add the commands to the subparsers of the command line."""
    status = add_service_command(commands, "status", partial(_status, opener), "show a job")
    status.add_argument("job", help="id of the job")
    status.add_argument("--wait", action="store_true", help="wait for its end; the exit code tells how it ended")
    status.add_argument("--timeout", type=float, metavar="S", help="longest time to wait, seconds (default: none)")
    listing = add_service_command(commands, "list", partial(_list, opener), "list your jobs, newest first")
    listing.add_argument("--state", choices=get_args(JobState), help="only jobs in this state")
    listing.add_argument("--retry-of", metavar="JOB", help="only jobs that run the files of this one again")
    listing.add_argument(
        "--job-label", action="append", metavar="KEY[=VALUE]", help="only jobs with this label; may be repeated"
    )
    listing.add_argument("--limit", type=int, default=LISTED, help="most jobs to list (default %(default)s); 0: all")
    results = add_service_command(commands, "results", partial(_results, opener), "list or download results of a job")
    results.add_argument("job", help="id of the job")
    results.add_argument("--out", type=Path, help="folder to save them in; without it they are listed")
    results.add_argument("--name", action="append", help="only this one, e.g. L2/stress.vtu; may be repeated")
    for name, run, text in (
        ("cancel", _cancel, "stop jobs that have not ended; they stay visible"),
        ("delete", _delete, "delete jobs with their files; this stops those that run"),
    ):
        add_service_command(commands, name, partial(run, opener), text).add_argument(
            "job", nargs="+", help="id of a job"
        )


def _status(opener: Opener, arguments: argparse.Namespace) -> int:
    with opener(arguments) as client:
        if arguments.wait:
            with job_bar() as show:
                job = client.wait(arguments.job, timeout_s=arguments.timeout, progress=show)
        else:
            job = client.job(arguments.job)
        emit(arguments, {"job": job}, "\n".join([*_lines(job), f"page       {client.page_url(job)}"]))
    return 0


def _lines(job: Job) -> Iterator[str]:
    yield f"job        {job.id}" + (f", {job.name}" if job.name else "")
    yield f"state      {stage_of(job)}" + (f", {job.percent:.0f} %" if job.state == "running" else "")
    if job.seconds_left is not None:
        yield f"left       about {job.seconds_left} s"
    yield f"level      {_levels(job)}"
    if job.labels:
        yield f"labels     {', '.join(f'{key}={value}' for key, value in job.labels.items())}"
    for name, moment in (("created", job.created_at), ("started", job.started_at), ("finished", job.finished_at)):
        if moment is not None:
            yield f"{name:<10} {moment:%Y-%m-%d %H:%M:%SZ}"
    for name, earlier in (("retry of", job.retry_of), ("corrects", job.corrects)):
        if earlier is not None:
            yield f"{name:<10} {earlier}"
    yield from (f"WARNING    {warning}" for warning in job.warnings or [])
    if job.error is not None:
        yield problem_text(job.error.model_dump(exclude_none=True))


def _levels(job: Job) -> str:
    asked = job.params.vertebra
    return ", ".join(asked) if isinstance(asked, list) else asked or "what the mask says"


def _list(opener: Opener, arguments: argparse.Namespace) -> int:
    with opener(arguments) as client:
        every = client.jobs(Filter(arguments.state, arguments.retry_of, arguments.job_label or ()))
        jobs = list(islice(every, arguments.limit or None))
    rows = [
        f"{job.id}  {job.created_at:%Y-%m-%d %H:%MZ}  {stage_of(job):<16}  {_levels(job):<8}  {job.name or '-'}"
        for job in jobs
    ]
    heading = f"{'id':<32}  {'created':<17}  {'state':<16}  {'level':<8}  name"
    emit(arguments, {"jobs": jobs}, "\n".join([heading, *rows]) if rows else "no job")
    return 0


def _results(opener: Opener, arguments: argparse.Namespace) -> int:
    with opener(arguments) as client:
        if arguments.out is None:
            listed = [each for each in client.results(arguments.job) if each.name in (arguments.name or [each.name])]
            lines = [
                f"{client.result_url(arguments.job, each.name)}  ({each.size / 1e6:.2f} MB)  {each.sha256}"
                for each in listed
            ]
            emit(arguments, {"results": listed}, "\n".join(lines))
            return 0
        job = client.job(arguments.job)
        if arguments.name:
            with bytes_bar("download") as show:
                saved = {name: client.download(job.id, name, arguments.out, progress=show) for name in arguments.name}
        else:
            saved = download_all(client, job, arguments.out)
        text = readable(saved) + saved_text(client, job, saved, "results")
        emit(arguments, {"job": job, "results": saved}, text.lstrip("\n"))
    return 0


def _cancel(opener: Opener, arguments: argparse.Namespace) -> int:
    with opener(arguments) as client:
        jobs = [client.cancel(job_id) for job_id in arguments.job]
    emit(arguments, {"jobs": jobs}, "\n".join(f"{job.id}  {job.state}" for job in jobs))
    return 0


def _delete(opener: Opener, arguments: argparse.Namespace) -> int:
    with opener(arguments) as client:
        for job_id in arguments.job:
            client.delete(job_id)
    emit(arguments, {"deleted": arguments.job}, "\n".join(f"{job_id}  deleted" for job_id in arguments.job))
    return 0

"""``vertebra-stress backup`` and ``restore``: the whole service of a machine in one file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from app.commands.output import add_json_argument, emit
from app.contract.errors import StorageUnavailable
from app.jobs.audit import Action, AuditTrail, operator_entry
from app.jobs.backup import Contents, back_up
from app.jobs.database import open_database
from app.jobs.restore import restore
from app.jobs.settings import Settings, SettingsError

EVERY_TENANT = "*"
SOME_DAMAGED = 1
"""Exit status of a back-up that leaves damaged jobs out."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the subparsers of the command line."""
    for name, run, text in (
        ("backup", _back_up, "Write database and files of every job to one file; the service may run meanwhile."),
        ("restore", _restore, "Bring a back-up into an empty VERTEBRA_DATA_DIR, each file compared with its sha256."),
    ):
        command = commands.add_parser(name, help=text[0].lower() + text[1:-1], description=text)
        command.add_argument("file", type=Path, help="the archive, which holds patient data")
        add_json_argument(command)
        command.set_defaults(run=run)


def _back_up(arguments: argparse.Namespace) -> int:
    settings = Settings()
    contents = _try(back_up, settings, arguments.file)
    _note(settings, "backup", arguments.file)
    emit(arguments, asdict(contents), f"{arguments.file} holds {_summary(contents)}")
    for job_id in contents.damaged:
        sys.stderr.write(f"left out: job {job_id}, because a file of it is absent or not the one of its row\n")
    return SOME_DAMAGED if contents.damaged else 0


def _restore(arguments: argparse.Namespace) -> int:
    settings = Settings()
    contents = _try(restore, settings, arguments.file)
    _note(settings, "restore", arguments.file)
    emit(arguments, asdict(contents), f"restored {_summary(contents)}")
    return 0


def _try(work: Callable[[Settings, Path], Contents], settings: Settings, file: Path) -> Contents:
    try:
        return work(settings, file)
    except StorageUnavailable as error:
        raise SettingsError(error.detail) from error


def _note(settings: Settings, action: Action, file: Path) -> None:
    engine = open_database(settings.database)
    try:
        AuditTrail(engine).record(operator_entry(action, EVERY_TENANT, file.name[:255]))
    finally:
        engine.dispose()


def _summary(contents: Contents) -> str:
    return f"{contents.jobs} jobs with {contents.files} files, {contents.size / 1e6:.1f} MB"

"""``vertebra-stress database``: the version of the tables, and their upgrade."""

from __future__ import annotations

import argparse
import sys

from app.jobs.database import connect, upgrade_database
from app.jobs.schema import head, version
from app.jobs.settings import Settings

NOT_AT_HEAD = 1
"""Exit status of ``database status`` where the tables are not those that this software needs."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the subparsers of the command line."""
    text = "Make, upgrade or show the tables of the database (VERTEBRA_DATABASE_URL)."
    database = commands.add_parser("database", help="make or upgrade the tables", description=text)
    actions = database.add_subparsers(required=True, metavar="action")
    for name, run, text in (
        ("upgrade", _upgrade, "make the tables, or bring them to the version that this software needs"),
        ("status", _status, "print the version of the tables; status 1 if it is not the one needed"),
    ):
        actions.add_parser(name, help=text, description=text).set_defaults(run=run)


def _upgrade(_: argparse.Namespace) -> int:
    before, after = upgrade_database(Settings().database)
    if before == after:
        _print(f"The database is at revision {after} already.")
    else:
        _print(f"The database was at {_name(before)} and is at revision {after} now.")
    return 0


def _status(_: argparse.Namespace) -> int:
    engine = connect(Settings().database)
    try:
        found = version(engine)
    finally:
        engine.dispose()
    _print(f"The database is at {_name(found)}; this software needs revision {head()}.")
    return 0 if found == head() else NOT_AT_HEAD


def _name(revision: str | None) -> str:
    return "no revision" if revision is None else f"revision {revision}"


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")

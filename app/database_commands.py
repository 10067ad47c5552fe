"""``vertebra-stress database``: the version of the tables, and their upgrade."""

from __future__ import annotations

import argparse

from app.commands.output import add_json_argument, emit
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
        command = actions.add_parser(name, help=text, description=text)
        add_json_argument(command)
        command.set_defaults(run=run)


def _upgrade(arguments: argparse.Namespace) -> int:
    before, after = upgrade_database(Settings().database)
    text = f"The database was at {_name(before)} and is at revision {after} now."
    if before == after:
        text = f"The database is at revision {after} already."
    emit(arguments, {"before": before, "revision": after}, text)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    engine = connect(Settings().database)
    try:
        found = version(engine)
    finally:
        engine.dispose()
    text = f"The database is at {_name(found)}; this software needs revision {head()}."
    emit(arguments, {"revision": found, "needed": head()}, text)
    return 0 if found == head() else NOT_AT_HEAD


def _name(revision: str | None) -> str:
    return "no revision" if revision is None else f"revision {revision}"

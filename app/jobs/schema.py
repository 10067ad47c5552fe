"""The version of the tables: the Alembic revision that the database is at, and the one this software needs.

The revisions are the files of ``app/jobs/migrations/versions``. Each one names the revision below it; the last is the
head. The table ``alembic_version`` holds the revision of a database.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, inspect, text
from sqlalchemy.exc import OperationalError

from app.contract.errors import WrongDatabaseVersion

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
UPGRADE_COMMAND = "vertebra-stress database upgrade"

LOCK_KEY = 0x7665_7274_6562
"""Key of the PostgreSQL advisory lock that one upgrade holds: the letters ``verteb``."""

LOCK_WITHIN_S = 60
"""Longest wait for another process's upgrade of an SQLite file, seconds."""

UPGRADE_TRIES = 5
UPGRADE_PAUSE_S = 0.5
"""SQLite may refuse at once, without its busy timeout, while another process opens the same new file."""


def upgrade(engine: Engine) -> None:
    """Bring the tables to the head in one transaction. Of all processes that call this, one changes the tables.

    Raises
    ------
    WrongDatabaseVersion
        The database is newer than this software.
    """
    if version(engine) == head():
        return
    for tries_left in reversed(range(UPGRADE_TRIES)):
        try:
            with _locked_transaction(engine) as connection:
                found = _version(connection)
                _refuse_unknown(found)
                log.info("the tables go from %s to revision %s", found or "no revision", head())
                command.upgrade(_config(connection), "head")
            return
        except OperationalError:
            if not tries_left or engine.dialect.name != "sqlite":
                raise
            time.sleep(UPGRADE_PAUSE_S)


def check_version(engine: Engine, *, may_be_newer: bool = False) -> str:
    """Return the revision of the tables. Raise `WrongDatabaseVersion` unless it is the one that this software needs.

    Revisions only add columns and tables. So a process that runs while the tables are upgraded may go on with newer
    ones: ``may_be_newer``. A process that starts may not, since it knows nothing of what they mean.
    """
    with engine.connect() as connection:
        found = _version(connection)
        if found is not None and (found == head() or (may_be_newer and found not in revisions())):
            return found
        _refuse_unknown(found)
        is_empty = found is None and not inspect(connection).has_table("jobs")
    state = "has no tables yet" if is_empty else "is older than this software"
    raise WrongDatabaseVersion(
        f"The database {state}. Make a back-up, then run `{UPGRADE_COMMAND}`.",
        expected=f"revision {head()}",
        got="no tables" if is_empty else f"revision {found or 'before the first'}",
    )


def version(engine: Engine) -> str | None:
    """Return the revision of a database, or ``None`` if its tables are absent or have no version."""
    with engine.connect() as connection:
        return _version(connection)


@cache
def head() -> str:
    """Return the revision that this software needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


@cache
def revisions() -> tuple[str, ...]:
    """Return every revision that this software knows, oldest first."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return tuple(reversed([script.revision for script in scripts]))


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(text("SELECT version_num FROM alembic_version"))


def _refuse_unknown(found: str | None) -> None:
    if found is None or found in revisions():
        return
    raise WrongDatabaseVersion(
        "The database is newer than this software. Install the release that made it, or restore a back-up that this "
        "release made.",
        expected=f"revision {head()}",
        got=f"revision {found}, which this release does not know",
    )


def _config(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


@contextmanager
def _locked_transaction(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that no other upgrade and, on SQLite, no other writer can be in."""
    if engine.dialect.name == "sqlite":
        own = create_engine(
            engine.url, poolclass=NullPool, connect_args={"timeout": LOCK_WITHIN_S, "isolation_level": None}
        )

        @event.listens_for(own, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # sqlite3 alone would commit before each change of a table

        with own.begin() as connection:
            yield connection
        return
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        yield connection


def draft_revision(url: str, name: str) -> None:
    """Write the revision ``name`` with what `app.jobs.rows` has and the head lacks, for a person to correct.

    Parameters
    ----------
    url
        An empty SQLite database.
    name
        Name of the file and of the revision.
    """
    engine = create_engine(url)
    upgrade(engine)
    with engine.begin() as connection:
        config = _config(connection)
        config.set_main_option("file_template", "%%(rev)s")
        command.revision(config, message=name, rev_id=name, autogenerate=True)
    engine.dispose()

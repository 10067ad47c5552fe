"""The database engine: SQLite in a file, or PostgreSQL. The rest of the code is the same for both."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError

from app.jobs.database_errors import hide_values
from app.jobs.postgres_budget import limit_calls
from app.jobs.private_files import FILE_MODE, close_to_others, make_private_folder
from app.jobs.schema import check_version, head, upgrade, version

log = logging.getLogger(__name__)

CALL_BUDGET_S = 10.0
"""Longest wait for one answer of the database. For SQLite: for the end of other processes' writes."""

CONNECT_TIMEOUT_S = 5
POOL_TIMEOUT_S = 5
"""Longest waits for a new connection, and for one that other threads use."""


def open_database(url: str, *, may_be_away: bool = False) -> Engine:
    """Connect to the database, and see that its tables are those that this software needs.

    An SQLite file belongs to this machine, so its tables are made or upgraded here. A PostgreSQL server has other
    clients, so there ``vertebra-stress database upgrade`` does it.

    Parameters
    ----------
    url
        SQLAlchemy URL; ``postgresql://`` means psycopg 3.
    may_be_away
        Do not ask a PostgreSQL server that does not answer now. Readiness checks the tables again.

    Raises
    ------
    WrongDatabaseVersion
        The database is newer than this software; or it is a PostgreSQL database that is older, or empty.
    """
    engine = connect(url)
    try:
        if engine.dialect.name == "sqlite":
            upgrade(engine)
        else:
            _check_version(engine, may_be_away=may_be_away)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _check_version(engine: Engine, *, may_be_away: bool) -> None:
    try:
        check_version(engine)
    except OperationalError as error:
        if not may_be_away:
            raise
        log.warning("the database does not answer yet: %s", type(error).__name__)


def upgrade_database(url: str) -> tuple[str | None, str]:
    """Make or upgrade the tables; return their revisions before and after. `app.jobs.schema.upgrade` has the errors."""
    engine = connect(url, budget_s=None)
    try:
        before = version(engine)
        upgrade(engine)
        return before, head()
    finally:
        engine.dispose()


def require_version(url: str) -> None:
    """Raise `WrongDatabaseVersion` where `open_database` would; say nothing of a database that does not answer."""
    try:
        open_database(url).dispose()
    except OperationalError as error:
        log.warning("the database does not answer yet: %s", type(error).__name__)


def connect(url: str, budget_s: float | None = CALL_BUDGET_S) -> Engine:
    """Return an engine for the database, whatever its tables are (see `open_database`).

    PostgreSQL has ``budget_s`` seconds for each answer, or as long as it takes.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = _open_sqlite(str(parsed.database), url)
    else:
        engine = _open_postgres(parsed)
        if budget_s is not None:
            limit_calls(engine, budget_s)
    hide_values(engine)
    return engine


def _open_postgres(url: URL) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    return create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_recycle=1800,
        pool_timeout=POOL_TIMEOUT_S,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
    )


def _open_sqlite(database: str, url: str) -> Engine:
    path = Path(database)
    make_private_folder(path.parent)
    path.touch(mode=FILE_MODE)  # SQLite gives the journal files the mode of the database
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        close_to_others(path.with_name(name))
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": CALL_BUDGET_S, "check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={int(CALL_BUDGET_S * 1000)}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # a job that got a 202 must survive a power cut
        cursor.close()

    return engine

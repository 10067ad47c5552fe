"""The database engine: SQLite in a file, or PostgreSQL. The rest of the code is the same for both."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from app.jobs.schema import check_version, head, upgrade, version

log = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 30
"""SQLite waits this long for another process's write before it raises an error."""


def open_database(url: str) -> Engine:
    """Connect to the database, and see that its tables are those that this software needs.

    An SQLite file belongs to this machine, so its tables are made or upgraded here. A PostgreSQL server has other
    clients, so there ``vertebra-stress database upgrade`` does it.

    Parameters
    ----------
    url
        SQLAlchemy URL; ``postgresql://`` means psycopg 3.

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
            check_version(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def upgrade_database(url: str) -> tuple[str | None, str]:
    """Make or upgrade the tables; return their revisions before and after. `app.jobs.schema.upgrade` has the errors."""
    engine = connect(url)
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


def connect(url: str) -> Engine:
    """Return an engine for the database, whatever its tables are (see `open_database`)."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(str(parsed.database), url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    return create_engine(
        parsed, pool_pre_ping=True, pool_recycle=1800, pool_timeout=10, connect_args={"connect_timeout": 5}
    )


def _open_sqlite(database: str, url: str) -> Engine:
    Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # a job that got a 202 must survive a power cut
        cursor.close()

    return engine

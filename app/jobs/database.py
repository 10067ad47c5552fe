"""The database engine: SQLite in a file, or PostgreSQL. The rest of the code is the same for both."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from app.jobs.rows import Base

BUSY_TIMEOUT_S = 30
"""SQLite waits this long for another process's write before it raises an error."""

CREATE_TRIES = 5
CREATE_PAUSE_S = 0.2


def open_database(url: str) -> Engine:
    """Connect to the database and create the missing tables.

    Parameters
    ----------
    url
        SQLAlchemy URL; ``postgresql://`` means psycopg 3.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = _open_sqlite(str(parsed.database), url)
    else:
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = create_engine(
            parsed, pool_pre_ping=True, pool_recycle=1800, pool_timeout=10, connect_args={"connect_timeout": 5}
        )
    _create_tables(engine)
    return engine


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


def _create_tables(engine: Engine) -> None:
    """Create the missing tables. Try again when another process creates them at the same time."""
    for tries_left in reversed(range(CREATE_TRIES)):
        try:
            Base.metadata.create_all(engine)
            return
        except SQLAlchemyError:
            if not tries_left:
                raise
            time.sleep(CREATE_PAUSE_S)

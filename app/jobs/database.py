"""The database engine: SQLite in a file, or PostgreSQL, behind the same code."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from app.jobs.rows import Base

BUSY_TIMEOUT_S = 30


def open_database(url: str) -> Engine:
    """Connect, and create the tables where they are missing.

    Parameters
    ----------
    url
        SQLAlchemy URL. ``postgresql://`` uses psycopg 3.
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
        cursor.execute("PRAGMA synchronous=FULL")  # a 202 is a promise, also across a power cut
        cursor.close()

    return engine


def _create_tables(engine: Engine, tries: int = 5) -> None:
    """Create missing tables; processes that start together race for it, so try again."""
    for left in reversed(range(tries)):
        try:
            Base.metadata.create_all(engine)
            return
        except SQLAlchemyError:
            if not left:
                raise
            time.sleep(0.2)

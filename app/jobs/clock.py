"""The one clock of the job rows: the database's.

Heartbeats, deadlines and claims are compared with each other, so one clock must write them all. A host whose clock is
a minute behind would look dead at once, and one that is ahead would never look dead.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import ColumnElement, Double, Engine, cast, extract, func

Now = float | ColumnElement[float]
"""The present in seconds since the Unix epoch: a number, or an SQL expression that the database evaluates."""


def database_clock(engine: Engine) -> Callable[[], Now]:
    """Return the clock of a database.

    PostgreSQL evaluates ``clock_timestamp()`` in each statement. SQLite runs on the machine of every process that uses
    it, so its clock is that of the process.
    """
    if engine.dialect.name == "sqlite":
        return time.time
    return lambda: cast(extract("epoch", func.clock_timestamp()), Double)

"""The audit trail: who signed in, submitted, read, cancelled or deleted which job, who made which key or webhook.

An entry names ids alone: it holds no patient data, no parameters and no secret. It is written before the deed, or in
the same transaction, so that no deed is without its entry.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Engine, delete, select
from sqlalchemy.orm import Session

from app.jobs.clock import database_clock
from app.jobs.rows import AuditRow

JobAction = Literal["sign_in", "submit", "read", "make_link", "cancel", "retry", "delete"]
OperatorAction = Literal["create_key", "rotate_key", "revoke_key", "set_webhook", "make_secret", "backup", "restore"]
Action = JobAction | OperatorAction
ACTIONS: tuple[Action, ...] = (*get_args(JobAction), *get_args(OperatorAction))

PAGE = 1000
"""Entries that a list holds in memory at a time."""


@dataclass(frozen=True)
class AuditFilter:
    """Which entries to list. Times are seconds since the epoch; what is ``None`` selects nothing away."""

    tenant: str | None = None
    job_id: str | None = None
    action: str | None = None
    since: float | None = None
    until: float | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions of the query."""
        same = {AuditRow.tenant: self.tenant, AuditRow.job_id: self.job_id, AuditRow.action: self.action}
        found = [column == value for column, value in same.items() if value is not None]
        found += [AuditRow.at >= self.since] if self.since is not None else []
        return found + ([AuditRow.at < self.until] if self.until is not None else [])


class AuditTrail:
    """Writes and lists entries.

    Parameters
    ----------
    engine
        See `app.jobs.database.open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clock = database_clock(engine)

    def record(self, entry: AuditRow) -> None:
        """Write one entry, with the database's time."""
        now: Any = self._clock()
        entry.at = now
        with Session(self._engine) as session, session.begin():
            session.add(entry)

    def entries(self, which: AuditFilter) -> Iterator[AuditRow]:
        """Yield entries, oldest first."""
        query = select(AuditRow).where(*which.conditions()).order_by(AuditRow.id)
        with Session(self._engine) as session:
            yield from session.scalars(query.execution_options(yield_per=PAGE))

    def forget(self, older_than_s: float) -> int:
        """Remove the entries older than so many seconds; return their number."""
        statement = delete(AuditRow).where(AuditRow.at < self._clock() - older_than_s)
        with Session(self._engine) as session, session.begin():
            return len(session.scalars(statement.returning(AuditRow.id)).all())


def operator_entry(action: Action, tenant: str, detail: str) -> AuditRow:
    """Return the entry of a command on this machine; its actor is the user who runs it."""
    return AuditRow(action=action, tenant=tenant, actor=f"operator:{_user()}", detail=detail)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user without a name
        return str(os.getuid())

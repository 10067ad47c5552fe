"""Sessions of people who signed in on the pages. A cookie has the text; the database has its digest."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

from sqlalchemy import Engine, delete
from sqlalchemy.orm import Session

from app.identity.key_text import digest
from app.identity.principal import Principal, scope_text
from app.jobs.rows import SessionRow

TEXT_BYTES = 32


class SessionStore:
    """Reads and writes the rows of sessions.

    Parameters
    ----------
    engine
        See `app.jobs.database.open_database`.
    clock
        Returns seconds since the epoch.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    def begin(self, principal: Principal, lasts_s: float) -> str:
        """Begin a session of a principal and return its text. It ends with the credential at the latest."""
        text = secrets.token_urlsafe(TEXT_BYTES)
        now = self._clock()
        ends = now + lasts_s
        row = SessionRow(
            digest=digest(text), tenant=principal.tenant, scopes=scope_text(principal.scopes),
            credential=principal.credential, created_at=now, expires_at=min(ends, principal.expires_at or ends),
        )  # fmt: skip
        with Session(self._engine) as session, session.begin():
            session.execute(delete(SessionRow).where(SessionRow.expires_at < now))
            session.add(row)
        return text

    def find(self, text: str) -> Principal | None:
        """Return whose session it is, with the credential that began it; ``None`` if it has ended."""
        with Session(self._engine) as session:
            row = session.get(SessionRow, digest(text))
        if row is None or row.expires_at <= self._clock():
            return None
        return Principal(row.tenant, frozenset(row.scopes.split()), row.credential, row.expires_at)

    def end(self, text: str) -> None:
        """End a session, if there is one."""
        with Session(self._engine) as session, session.begin():
            session.execute(delete(SessionRow).where(SessionRow.digest == digest(text)))


def page_token(session: str) -> str:
    """Return what a page must send with each change: a foreign page cannot read it (OWASP: HMAC-based token)."""
    return hmac.new(session.encode(), b"page", hashlib.sha256).hexdigest()

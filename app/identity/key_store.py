"""The API keys of the database: create, list, rotate, revoke and look up. A key's text is never stored.

Gateways see a change at their next look, `app.identity.principal_cache.CACHE_S` later at most.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.identity.key_text import digest, key_id_of, new_key
from app.identity.principal import CredentialRefusedError, Principal, scope_text
from app.jobs.audit import Action, operator_entry
from app.jobs.clock import database_clock
from app.jobs.rows import ApiKeyRow, AuditRow

USE_EVERY_S = 60.0
"""The time of a key's last use is written at most this often, so that polls do not write."""


@dataclass(frozen=True)
class KeyOwner:
    """What a new key is for: tenant, a name for people, scopes, and when it ends (seconds since the epoch)."""

    tenant: str
    name: str
    scopes: frozenset[str]
    expires_at: float | None = None


class KeyStore:
    """Reads and writes the rows of API keys. Each change has its entry in the audit trail, in the same transaction.

    Parameters
    ----------
    engine
        See `app.jobs.database.open_database`.
    clock
        Returns seconds since the epoch. When a key ends is compared with it; entries have the database's time.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock
        self._audit_clock = database_clock(engine)

    def create(self, owner: KeyOwner) -> tuple[ApiKeyRow, str]:
        """Insert a new key; return its row and its text, which nobody can read again."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            return self._insert(session, owner)

    def _insert(self, session: Session, owner: KeyOwner) -> tuple[ApiKeyRow, str]:
        key_id, text = new_key()
        row = ApiKeyRow(
            id=key_id, tenant=owner.tenant, name=owner.name, digest=digest(text), scopes=scope_text(owner.scopes),
            created_at=self._clock(), expires_at=owner.expires_at,
        )  # fmt: skip
        session.add(row)
        self._note(session, "create_key", row)
        return row, text

    def list_keys(self, tenant: str | None = None) -> list[ApiKeyRow]:
        """Return the keys of a tenant or of all, newest first; revoked and expired ones too."""
        query = select(ApiKeyRow).order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id)
        if tenant is not None:
            query = query.where(ApiKeyRow.tenant == tenant)
        with Session(self._engine) as session:
            return list(session.scalars(query))

    def any_live(self) -> bool:
        """Return whether there is a key that counts."""
        now = self._clock()
        return any(state_of(row, now) == "live" for row in self.list_keys())

    def rotate(self, key_id: str, overlap_s: float) -> tuple[ApiKeyRow, str] | None:
        """Create a key like a live one, which ends after the overlap. Return ``None`` if there is no such live key.

        The new key lasts as long as the old one was meant to.
        """
        now = self._clock()
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            old = session.get(ApiKeyRow, key_id, with_for_update=True)
            if old is None or state_of(old, now) != "live":
                return None
            ends = None if old.expires_at is None else now + old.expires_at - old.created_at
            made = self._insert(session, KeyOwner(old.tenant, old.name, frozenset(old.scopes.split()), ends))
            until = now + overlap_s
            old.expires_at = until if old.expires_at is None else min(until, old.expires_at)
            self._note(session, "rotate_key", old)
        return made

    def revoke(self, key_id: str, tenant: str | None = None, entry: AuditRow | None = None) -> bool:
        """End a key at once; return whether there was one that was not revoked.

        ``tenant`` limits it to its own; ``entry`` is the audit trail's, if it is not the operator who does it.
        """
        which = [ApiKeyRow.id == key_id, ApiKeyRow.revoked_at.is_(None)]
        if tenant is not None:
            which.append(ApiKeyRow.tenant == tenant)
        with Session(self._engine) as session, session.begin():
            row = session.scalar(select(ApiKeyRow).where(*which).with_for_update())
            if row is None:
                return False
            row.revoked_at = self._clock()
            self._note(session, "revoke_key", row, entry)
            return True

    def find(self, text: str) -> Principal | None:
        """Return whom a key stands for; ``None`` if it is unknown.

        Raises
        ------
        CredentialRefusedError
            The key has expired or is revoked.
        """
        key_id = key_id_of(text)
        row = self._get(key_id) if key_id else None
        if row is None or not hmac.compare_digest(row.digest, digest(text)):
            return None
        return self._principal(row)

    def find_id(self, key_id: str) -> Principal | None:
        """Return whom the key with an id stands for: for what the key itself has allowed before. Raises as `find`."""
        row = self._get(key_id)
        return None if row is None else self._principal(row)

    def _principal(self, row: ApiKeyRow) -> Principal:
        now = self._clock()
        state = state_of(row, now)
        if state != "live":
            raise CredentialRefusedError(f"the key {row.id}, which is {state}")
        if row.last_used_at is None or now - row.last_used_at > USE_EVERY_S:
            self._note_use(row, now)  # for people; a request does not fail for it
        return Principal(row.tenant, frozenset(row.scopes.split()), f"key:{row.id}", row.expires_at)

    def _note_use(self, row: ApiKeyRow, now: float) -> None:
        old = ApiKeyRow.last_used_at
        with suppress(SQLAlchemyError), Session(self._engine) as session, session.begin():
            session.execute(
                update(ApiKeyRow)
                .where(ApiKeyRow.id == row.id, or_(old.is_(None), old < now - USE_EVERY_S))
                .values(last_used_at=now)
            )

    def _get(self, key_id: str) -> ApiKeyRow | None:
        with Session(self._engine) as session:
            return session.get(ApiKeyRow, key_id)

    def _note(self, session: Session, action: Action, row: ApiKeyRow, entry: AuditRow | None = None) -> None:
        entry = entry or operator_entry(action, row.tenant, row.id)
        at: Any = self._audit_clock()
        entry.at = at
        session.add(entry)


def state_of(row: ApiKeyRow, now: float) -> str:
    """Return ``live``, ``revoked`` or ``expired``."""
    if row.revoked_at is not None:
        return "revoked"
    return "live" if row.expires_at is None or now < row.expires_at else "expired"

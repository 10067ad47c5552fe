"""A tenant's webhook: the URL for all its jobs, and the secret that signs the messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.jobs.rows import WebhookRow
from app.webhooks.signature import new_secret

OVERLAP_S = 24 * 3600.0
"""How long the old secret signs too after a new one was made."""


@dataclass(frozen=True)
class Endpoint:
    """A tenant's webhook. ``secrets`` holds those that are valid, the newest first."""

    url: str | None
    secrets: tuple[str, ...]
    previous_until: float | None


class EndpointStore:
    """Reads and writes the webhooks of tenants."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._sessions = sessionmaker(engine, expire_on_commit=False)
        self._clock = clock

    def get(self, tenant: str) -> Endpoint:
        """Return a tenant's webhook; one that was never set has no URL and no secret."""
        with self._sessions() as session:
            row = session.get(WebhookRow, tenant)
        if row is None:
            return Endpoint(None, (), None)
        is_valid = row.previous_until is not None and row.previous_until > self._clock()
        secrets = (row.secret, row.previous_secret if is_valid else None)
        return Endpoint(row.url, tuple(filter(None, secrets)), row.previous_until if is_valid else None)

    def set_url(self, tenant: str, url: str | None) -> None:
        """Set the URL for all jobs of a tenant that name none; None means that nobody is told."""
        with self._sessions.begin() as session:
            _row(session, tenant).url = url

    def new_secret(self, tenant: str) -> str:
        """Make a new secret and return it; the old one stays valid for `OVERLAP_S`."""
        with self._sessions.begin() as session:
            row = _row(session, tenant)
            if row.secret is not None:
                row.previous_secret, row.previous_until = row.secret, self._clock() + OVERLAP_S
            row.secret = new_secret()
            return row.secret


def _row(session: Session, tenant: str) -> WebhookRow:
    row = session.get(WebhookRow, tenant, with_for_update=True)
    if row is None:
        row = WebhookRow(tenant=tenant)
        session.add(row)
    return row

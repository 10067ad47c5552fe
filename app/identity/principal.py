"""Who sends a request: a tenant, and what its credential may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["submit", "read", "webhooks", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""`submit`: make, change and delete jobs. `read`: see jobs, results and bundles. `webhooks`: say where the service
tells that the tenant's jobs have ended, and with which secret. `admin`: see and revoke keys.

No scope holds another one: a key that only submits cannot read a report, and one that only revokes keys sees no CT.
"""

CLIENT_SCOPES: frozenset[str] = frozenset({"submit", "read"})
"""Scopes of a client that has no key of the table: a key of ``VERTEBRA_API_KEYS``, or nobody in particular."""


class CredentialRefusedError(Exception):
    """The credential is genuine, but it is over, or not for this service; the text says which."""


@dataclass(frozen=True)
class Principal:
    """The sender of a request.

    Parameters
    ----------
    tenant
        Whose jobs the request may touch.
    scopes
        What the credential may do; see `SCOPES`.
    credential
        Which credential it was, without its secret: ``key:<id>``, ``setting:<digest>``, ``oidc:<subject>``,
        ``link:<key id>`` or ``anonymous``.
    expires_at
        When the credential ends, seconds since the epoch; ``None`` means never.
    """

    tenant: str
    scopes: frozenset[str]
    credential: str
    expires_at: float | None = None

    def is_live(self, now: float) -> bool:
        """Return whether the credential has not ended at a time, seconds since the epoch."""
        return self.expires_at is None or now < self.expires_at


def parse_scopes(text: str) -> frozenset[str]:
    """Return the scopes of a text such as ``submit,read`` or ``submit read``. Raise `ValueError` for an unknown one."""
    names = frozenset(text.replace(",", " ").split())
    unknown = names - frozenset(SCOPES)
    if unknown or not names:
        got = ", ".join(sorted(unknown)) or "none"
        raise ValueError(f"expected some of {', '.join(SCOPES)}, got {got}")
    return names


def scope_text(scopes: frozenset[str]) -> str:
    """Return scopes as a row holds them: separated by spaces, in the order of `SCOPES`."""
    return " ".join(scope for scope in SCOPES if scope in scopes)

"""Links that sign a person in without typing the key. Only who can read the service's own files can make one."""

from __future__ import annotations

from app.identity.signing import Signer

PURPOSE = "sign-in"
LINK_LASTS_S = 600.0
"""A link that stays in a terminal or a history is useless after ten minutes."""


def sign_in_code(signer: Signer, key_id: str, now: float) -> str:
    """Return the code of a link that begins a session for a key within `LINK_LASTS_S` seconds."""
    expires = str(int(now + LINK_LASTS_S))
    return ".".join((key_id, expires, *signer.sign(PURPOSE, key_id, expires)))


def key_of_code(signer: Signer, code: str, now: float) -> str | None:
    """Return the id of the key for which a code was made; ``None`` if it is forged or has ended."""
    parts = code.split(".")
    if len(parts) != 4:
        return None
    key_id, expires, secret_id, signature = parts
    if not signer.verifies(secret_id, signature, PURPOSE, key_id, expires):
        return None
    return key_id if now < float(expires) else None

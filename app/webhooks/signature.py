"""Signatures of webhooks, as the Standard Webhooks specification 1.0 defines them (standardwebhooks.com).

The signature is HMAC-SHA256 over ``id.timestamp.body``. While a secret is being replaced, messages carry a signature by
the new one and one by the old one, so that a receiver can change when it likes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
SECRET_BYTES = 32
"""Random bytes of a secret; the specification asks for 24 to 64."""


def new_secret() -> str:
    """Return a random secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(message_id: str, timestamp: int, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """Return the headers that identify and sign a message.

    Parameters
    ----------
    message_id
        The same at each attempt, so that a receiver can ignore what it has seen.
    timestamp
        Time of the attempt, seconds since the epoch.
    body
        Bytes of the message.
    keys
        The secrets that are valid.
    """
    content = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{_sign(key, content)}" for key in keys),
    }


def _sign(key: str, content: bytes) -> str:
    raw = base64.b64decode(key.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(raw, content, hashlib.sha256).digest()).decode()

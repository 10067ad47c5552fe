"""The text of an API key, and the digest of it that the database holds.

A key is ``vtb_<id>_<secret>``. The id is public: lists and logs name the key by it. The secret has 256 random bits, so
nobody can find it by trying, not even against a stolen digest. That is why a plain SHA-256 is enough: a slow hash
(scrypt, Argon2) protects texts that people choose, and would cost every request its time; an HMAC would add a secret
that must be kept, and protect nothing more.
"""

from __future__ import annotations

import hashlib
import re
import secrets

ID_BYTES = 6
SECRET_BYTES = 32
KEY = re.compile(r"vtb_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
"""Twelve hex digits are `ID_BYTES`, 43 URL-safe base64 digits are `SECRET_BYTES`."""


def new_key() -> tuple[str, str]:
    """Return the id and the text of a new random key."""
    key_id = secrets.token_hex(ID_BYTES)
    return key_id, f"vtb_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"


def key_id_of(text: str) -> str | None:
    """Return the id in the text of a key; ``None`` if the text is no such key."""
    match = KEY.fullmatch(text)
    return match[1] if match else None


def digest(text: str) -> str:
    """Return the SHA-256 of a key or another random secret, 64 hex digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

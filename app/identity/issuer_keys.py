"""The public keys of the identity provider: found by discovery, kept, and fetched again when a token names another."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from app.contract.errors import IdentityUnavailable
from app.jobs.identity_settings import IdentitySettings, is_safe_url

log = logging.getLogger(__name__)

PublicKey = RSAKey | ECKey | OKPKey

FRESH_S = 3600.0
"""Keys are fetched again after an hour, so that one which the provider withdrew ends."""

STALE_S = 86400.0
"""While the provider does not answer, its last keys count for a day."""

REFETCH_S = 30.0
"""A token that names an unknown key makes the gateway fetch at most this often, and so does a provider that is down."""

BUDGET_S = 5.0
"""Longest time for both documents together, seconds."""

LARGEST_DOCUMENT = 256 * 1024
"""Bytes. A set of ten RSA keys with certificates takes 30,000."""

SHORTEST_RSA_BITS = 2048
"""RFC 7518, section 3.3."""

KEY_TYPES = ("RSA", "EC", "OKP")
BITS_A_DIGIT = 6
"""The modulus of an RSA key is written in base64."""

DISCOVERY = "/.well-known/openid-configuration"


class IssuerKeys:
    """Keeps the keys of one issuer. All methods may be called from any thread.

    Parameters
    ----------
    settings
        ``oidc_issuer``, and ``oidc_jwks_url`` where the issuer has no discovery document.
    clock
        Returns seconds that only grow.
    """

    def __init__(self, settings: IdentitySettings, clock: Callable[[], float] = time.monotonic) -> None:
        assert settings.oidc_issuer is not None
        self._issuer = settings.oidc_issuer
        self._jwks_url = settings.oidc_jwks_url
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, PublicKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None

    def find(self, kid: str | None) -> PublicKey | None:
        """Return the key with an id; without an id the only key, if there is one alone.

        Raises
        ------
        IdentityUnavailable
            The provider does not answer, and its keys were never fetched or are too old.
        """
        if self._age() >= FRESH_S or self._pick(kid) is None:
            with self._lock:
                if self._age() >= FRESH_S or self._pick(kid) is None:  # another thread may have fetched meanwhile
                    self._fetch_if_allowed()
        if self._age() >= STALE_S:
            raise IdentityUnavailable("The identity provider does not answer, so tokens cannot be checked. Try again.")
        return self._pick(kid)

    def _pick(self, kid: str | None) -> PublicKey | None:
        keys = self._keys
        if kid is None:
            return next(iter(keys.values())) if len(keys) == 1 else None
        return keys.get(kid)

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock() - self._fetched_at

    def _fetch_if_allowed(self) -> None:
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < REFETCH_S:
            return
        self._tried_at = now
        try:
            self._keys = self._fetch()
            self._fetched_at = self._clock()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, RecursionError) as error:
            log.error("cannot fetch the keys of %s: %s: %s", self._issuer, type(error).__name__, error)

    def _fetch(self) -> dict[str, PublicKey]:
        end = time.monotonic() + BUDGET_S
        url = self._jwks_url
        if url is None:
            document = _get_json(self._issuer.rstrip("/") + DISCOVERY, end)
            if document["issuer"] != self._issuer:
                raise ValueError(f"its discovery document is that of {document['issuer']!r:.200}")
            url = str(document["jwks_uri"])
        if not is_safe_url(url):
            raise ValueError(f"its keys are at {url[:200]!r}, which is not https")
        keys = [_import(entry) for entry in _get_json(url, end)["keys"]]
        found = {str(key.kid): key for key in keys if key is not None}
        if not found:
            raise ValueError("it has no key that signs tokens")
        return found


def _get_json(url: str, end: float) -> Any:
    """Return a JSON document. Raise an `httpx.HTTPError` or a `ValueError` if it is late, too large or none."""
    left_s = max(0.1, end - time.monotonic())
    with (
        httpx.Client(timeout=left_s, follow_redirects=False) as client,
        client.stream("GET", url, headers={"Accept": "application/json"}) as response,
    ):
        response.raise_for_status()
        body = b""
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > LARGEST_DOCUMENT or time.monotonic() > end:
                raise ValueError(f"{urlsplit(url).path} is larger or later than the gateway waits for")
    return json.loads(body)


def _import(entry: Any) -> PublicKey | None:
    """Return the key of an entry; ``None`` if it does not sign tokens, or not safely. Symmetric keys never do."""
    try:
        if entry["kty"] not in KEY_TYPES or entry.get("use", "sig") != "sig":
            return None
        if entry["kty"] == "RSA" and len(entry["n"]) * BITS_A_DIGIT < SHORTEST_RSA_BITS:
            return None
        key = JWKRegistry.import_key(entry)
        key.ensure_kid()
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if isinstance(key, (RSAKey, ECKey, OKPKey)) else None

"""A short memory of credentials, so that a client that polls costs no query."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from app.identity.principal import Principal

CACHE_S = 5.0
"""A credential is looked up once in this time, seconds: so long a revoked key may still work."""

MOST_CACHED = 4096


class PrincipalCache:
    """Remembers principals by the digest of their credential, for `CACHE_S` seconds and as long as they are live."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, Principal]] = OrderedDict()

    def get(self, key: str) -> Principal | None:
        """Return a principal that was put less than `CACHE_S` seconds ago."""
        now = self._clock()
        with self._lock:
            put_at, principal = self._entries.get(key, (0.0, None))
        fresh = 0.0 <= now - put_at < CACHE_S
        return principal if principal is not None and fresh and principal.is_live(now) else None

    def put(self, key: str, principal: Principal) -> None:
        """Remember a principal; the oldest entry is forgotten when the cache is full."""
        with self._lock:
            self._entries[key] = (self._clock(), principal)
            self._entries.move_to_end(key)
            if len(self._entries) > MOST_CACHED:
                self._entries.popitem(last=False)

    def drop(self, key: str) -> None:
        """Forget a principal."""
        with self._lock:
            self._entries.pop(key, None)

"""How many requests a second a tenant may send to this gateway process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from app.contract.errors import TooManyRequests

BURST_S = 2.0
"""A tenant that was silent may send the requests of so many seconds at once."""


class TenantRate:
    """A token bucket for each tenant; only for the event loop of one gateway.

    Parameters
    ----------
    requests_per_s
        Requests a second; ``None`` means no limit.
    clock
        Returns seconds.
    """

    def __init__(self, requests_per_s: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = requests_per_s
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens, and when they were counted

    def take(self, tenant: str) -> None:
        """Count a request. Raise `TooManyRequests`, with ``retry_after`` in seconds, if it is one too many."""
        if self._rate is None:
            return
        now, most = self._clock(), max(self._rate * BURST_S, 1.0)
        tokens, counted_at = self._buckets.get(tenant, (most, now))
        tokens = min(tokens + (now - counted_at) * self._rate, most)
        if tokens < 1.0:
            self._buckets[tenant] = tokens, now
            raise TooManyRequests(
                "You send more requests than this server allows. Poll more slowly, or wait with `Prefer: wait=20`.",
                expected=f"at most {self._rate:g} requests a second",
                got="more",
                retry_after=math.ceil((1.0 - tokens) / self._rate),
            )
        self._buckets[tenant] = tokens - 1.0, now

"""How many requests a second a tenant may send."""

from __future__ import annotations

import math

from starlette.concurrency import run_in_threadpool

from app.contract.errors import TooManyRequests
from app.jobs.buckets import Buckets, Limit

BURST_S = 2.0
"""A tenant that was silent may send the requests of so many seconds at once."""


class TenantRate:
    """Counts the requests of each tenant.

    Parameters
    ----------
    requests_per_s
        Requests a second; ``None`` means no limit.
    buckets
        Those that all gateways share, or those of this process.
    """

    def __init__(self, requests_per_s: float | None, buckets: Buckets) -> None:
        self._rate = requests_per_s
        self._buckets = buckets

    async def take(self, tenant: str) -> None:
        """Count a request. Raise `TooManyRequests`, with ``retry_after`` in seconds, if it is one too many."""
        if self._rate is None:
            return
        limit = Limit(max(self._rate * BURST_S, 1.0), 1.0 / self._rate)
        wait_s = await run_in_threadpool(self._buckets.take, {f"requests:{tenant}": limit})
        if wait_s:
            raise TooManyRequests(
                "You send more requests than this server allows. Poll more slowly, or wait with `Prefer: wait=20`.",
                expected=f"at most {self._rate:g} requests a second",
                got="more",
                retry_after=math.ceil(wait_s),
            )

"""Token buckets: how often something may be done, at once and then steadily; for one process, or for all gateways.

The shared ones lie in the queue's server, which every gateway knows. Where it does not answer, each process counts for
itself until it does: a limit is then looser, and nobody is locked out.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import redis

log = logging.getLogger(__name__)

MOST_BUCKETS = 4096
"""Buckets that a process keeps, about 300 bytes each; the one that was used longest ago is forgotten."""

CALL_BUDGET_S = 0.5
"""Longest wait for the server. A request waits for it, and it answers within a millisecond as a rule."""

SPARED_S = 5.0
"""How long a server that did not answer is not asked again, seconds."""

KEY_PREFIX = "vertebra:bucket:"

TAKE = """
local at = redis.call('TIME')
local now = at[1] + at[2] / 1e6
local lefts, wait = {}, 0
for i, key in ipairs(KEYS) do
  local capacity, refill = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local known = redis.call('HMGET', key, 'left', 'at')
  lefts[i] = capacity
  if known[1] then lefts[i] = math.min(capacity, known[1] + math.max(0, now - known[2]) / refill) end
  wait = math.max(wait, (ARGV[1] - lefts[i]) * refill)
end
if wait > 0 then return string.format('%.6f', wait) end
for i, key in ipairs(KEYS) do
  local capacity, refill = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  redis.call('HSET', key, 'left', string.format('%.9f', math.min(capacity, lefts[i] - ARGV[1])),
    'at', string.format('%.6f', now))
  redis.call('PEXPIRE', key, math.ceil(capacity * refill * 1000))
end
return '0'
"""
"""Takes ARGV[1] tries of every bucket or of none, in one step and by one clock; a negative number gives tries back."""


@dataclass(frozen=True)
class Limit:
    """So many tries at once, and one more each ``refill_s`` seconds."""

    capacity: float
    refill_s: float


class Buckets(Protocol):
    """Buckets by name."""

    def take(self, limits: Mapping[str, Limit], tries: int = 1) -> float:
        """Take tries of each bucket and return 0; or take none, and return the seconds until each has so many.

        A negative number gives tries back. May be called from any thread.
        """


class OwnBuckets:
    """Buckets of this process.

    Parameters
    ----------
    clock
        Returns seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tries that are left, and when that was so

    def take(self, limits: Mapping[str, Limit], tries: int = 1) -> float:
        """See `Buckets`."""
        with self._lock:
            now = self._clock()
            lefts = {name: self._left(name, limit, now) for name, limit in limits.items()}
            wait = max((tries - lefts[name]) * limit.refill_s for name, limit in limits.items())
            if wait > 0:
                return wait
            for name, limit in limits.items():
                self._known[name] = min(limit.capacity, lefts[name] - tries), now
                self._known.move_to_end(name)
            self._forget()
            return 0.0

    def _left(self, name: str, limit: Limit, now: float) -> float:
        left, at = self._known.get(name, (limit.capacity, now))
        return min(limit.capacity, left + (now - at) / limit.refill_s)

    def _forget(self) -> None:
        """Forget the buckets of single clients that were used longest ago; those of all have no colon, and stay."""
        while len(self._known) > MOST_BUCKETS:
            del self._known[next(name for name in self._known if ":" in name)]


class SharedBuckets:
    """Buckets of all gateways, in the queue's server.

    Parameters
    ----------
    url
        URL of the server.
    """

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=CALL_BUDGET_S, socket_connect_timeout=CALL_BUDGET_S)
        self._script = self._redis.register_script(TAKE)
        self._own = OwnBuckets()
        self._spared_until = 0.0

    def take(self, limits: Mapping[str, Limit], tries: int = 1) -> float:
        """See `Buckets`."""
        if time.monotonic() >= self._spared_until:
            numbers = [number for limit in limits.values() for number in (limit.capacity, limit.refill_s)]
            try:
                answer: Any = self._script(keys=[KEY_PREFIX + name for name in limits], args=[tries, *numbers])
                return float(answer)
            except (redis.RedisError, OSError) as error:
                self._spared_until = time.monotonic() + SPARED_S
                log.warning("the queue does not answer, so this process counts for itself: %s", type(error).__name__)
        return self._own.take(limits, tries)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

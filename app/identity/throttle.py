"""Limits how often wrong credentials may be tried: from one address, and from all together.

Each limit is a bucket of tries that fills again at a steady rate. The limit of all is for what can be guessed, so that
a guesser with many addresses does not lock out the keys of the database, which nobody can guess. A gateway process
keeps its own buckets, so with several gateways a guesser has so many times the tries. The memory is bounded: the
addresses that tried longest ago are forgotten, and the bucket of all remains.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

TRIES_AN_ADDRESS, ADDRESS_REFILL_S = 10, 6.0
"""A client may fail ten times at once, and then once each 6 s: enough for a person with the wrong key."""

TRIES_IN_ALL, ALL_REFILL_S = 200, 0.3
"""Twenty addresses at their limit: below that, nobody but the guesser notices. For what can be guessed."""

MOST_ADDRESSES = 4096
MOST_KNOWN = 4096
"""Entries of the two tables; an entry takes about 300 bytes."""

IPV6_CLIENT_BITS = 64
"""A network gives each customer at least so large a block, so all its addresses count as one client (RFC 6177)."""


@dataclass
class Bucket:
    """Tries that are left, and when that was true."""

    capacity: int
    refill_s: float
    left: float
    at: float

    def wait_s(self, now: float) -> float:
        """Return the seconds until a try is allowed; 0 if one is allowed now."""
        self.left = min(self.capacity, self.left + (now - self.at) / self.refill_s)
        self.at = now
        return max(0.0, (1.0 - self.left) * self.refill_s)


@dataclass(frozen=True)
class Attempt:
    """A credential that a client sends, by its digest.

    ``is_guessable`` is false for what has 256 random bits: a key of the database, the signature of a link.
    """

    address: str
    digest: str
    is_guessable: bool = True

    @property
    def known_as(self) -> tuple[str, str]:
        """What is remembered of a credential that was right."""
        return client_block(self.address), self.digest


class GuessThrottle:
    """Counts failed credentials. All methods may be called from any thread.

    Parameters
    ----------
    clock
        Returns seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._all = Bucket(TRIES_IN_ALL, ALL_REFILL_S, TRIES_IN_ALL, clock())
        self._addresses: OrderedDict[str, Bucket] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def begin(self, attempt: Attempt) -> float:
        """Take a try; return 0, or the seconds that the client must wait before its credential is looked at.

        A credential that was right before from the same address takes no try and never waits, so that a guesser behind
        the same proxy does not lock others out.
        """
        with self._lock:
            if attempt.known_as in self._known:
                return 0.0
            now = self._clock()
            buckets = self._buckets(attempt, now)
            wait = max(bucket.wait_s(now) for bucket in buckets)
            if not wait:
                for bucket in buckets:
                    bucket.left -= 1
            return wait

    def succeeded(self, attempt: Attempt) -> None:
        """Give the try back and remember the credential, because it was right."""
        with self._lock:
            if attempt.known_as not in self._known:
                self._give_back(attempt)
            self._known[attempt.known_as] = None
            self._known.move_to_end(attempt.known_as)
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)

    def ended(self, attempt: Attempt) -> None:
        """Give the try back without remembering the credential: it was no guess, but it is over."""
        with self._lock:
            if attempt.known_as in self._known:
                del self._known[attempt.known_as]
            else:
                self._give_back(attempt)

    def failed(self, attempt: Attempt) -> None:
        """Forget a credential, because it is wrong; the try stays taken."""
        with self._lock:
            self._known.pop(attempt.known_as, None)

    def _buckets(self, attempt: Attempt, now: float) -> list[Bucket]:
        client = client_block(attempt.address)
        own = self._addresses.setdefault(client, Bucket(TRIES_AN_ADDRESS, ADDRESS_REFILL_S, TRIES_AN_ADDRESS, now))
        self._addresses.move_to_end(client)
        if len(self._addresses) > MOST_ADDRESSES:
            self._addresses.popitem(last=False)
        return [self._all, own] if attempt.is_guessable else [own]

    def _give_back(self, attempt: Attempt) -> None:
        for bucket in self._buckets(attempt, self._clock()):
            bucket.left = min(bucket.capacity, bucket.left + 1)


def client_block(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the first 64 bits of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_CLIENT_BITS), strict=False).network_address)

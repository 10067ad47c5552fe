"""Limits how often wrong credentials may be tried: from one address, and from all together.

Each limit is a bucket of tries that fills again at a steady rate. The limit of all is for what can be guessed, so that
a guesser with many addresses does not lock out the keys of the database, which nobody can guess. All gateways share the
buckets (`app.jobs.buckets`), and each process remembers the credentials that were right there.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass

from app.jobs.buckets import Buckets, Limit

TRIES_AN_ADDRESS, ADDRESS_REFILL_S = 10, 6.0
"""A client may fail ten times at once, and then once each 6 s: enough for a person with the wrong key."""

TRIES_IN_ALL, ALL_REFILL_S = 200, 0.3
"""Twenty addresses at their limit: below that, nobody but the guesser notices. For what can be guessed."""

MOST_KNOWN = 4096
"""Credentials that are remembered; an entry takes about 300 bytes."""

IPV6_CLIENT_BITS = 64
"""A network gives each customer at least so large a block, so all its addresses count as one client (RFC 6177)."""


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

    @property
    def limits(self) -> dict[str, Limit]:
        """Buckets that a try of this credential is taken from."""
        own = {f"guesses:{client_block(self.address)}": Limit(TRIES_AN_ADDRESS, ADDRESS_REFILL_S)}
        return own | {"guesses": Limit(TRIES_IN_ALL, ALL_REFILL_S)} if self.is_guessable else own


class GuessThrottle:
    """Counts failed credentials. All methods may be called from any thread.

    Parameters
    ----------
    buckets
        Those that all gateways share, or those of this process.
    """

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._trying: dict[tuple[str, str], tuple[Attempt, Future[float]]] = {}

    def begin(self, attempt: Attempt) -> float:
        """Take a try; return 0, or the seconds that the client must wait before its credential is looked at.

        A credential that was right before from the same address takes no try and never waits, so that a guesser behind
        the same proxy does not lock others out. Requests with the same credential at the same time are one try.
        """
        with self._lock:
            if attempt.known_as in self._known:
                return 0.0
            first, wait = self._trying.setdefault(attempt.known_as, (attempt, Future()))
        if first is not attempt:
            return wait.result()
        try:
            wait_s = self._buckets.take(attempt.limits)
        except BaseException as error:  # or those that wait for this one would wait for ever
            self._end(attempt)
            wait.set_exception(error)
            raise
        wait.set_result(wait_s)
        if wait_s:
            self._end(attempt)
        return wait_s

    def succeeded(self, attempt: Attempt) -> None:
        """Give the try back and remember the credential, because it was right."""
        with self._lock:
            self._known[attempt.known_as] = None
            self._known.move_to_end(attempt.known_as)
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        self._give_back(attempt)

    def ended(self, attempt: Attempt) -> None:
        """Give the try back without remembering the credential: it was no guess, but it is over."""
        with self._lock:
            self._known.pop(attempt.known_as, None)
        self._give_back(attempt)

    def failed(self, attempt: Attempt) -> None:
        """Forget a credential, because it is wrong; the try stays taken."""
        with self._lock:
            self._known.pop(attempt.known_as, None)
        self._end(attempt)

    def _give_back(self, attempt: Attempt) -> None:
        if self._end(attempt):
            self._buckets.take(attempt.limits, -1)

    def _end(self, attempt: Attempt) -> bool:
        """Return whether this attempt has taken a try, and let the next one take its own."""
        with self._lock:
            first, _ = self._trying.get(attempt.known_as, (None, None))
            if first is not attempt:
                return False
            del self._trying[attempt.known_as]
            return True


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

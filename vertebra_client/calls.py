"""What the rules of the client ask for: HTTP calls and pauses.

A rule, such as "submit a job" or "wait for it", is a generator: it yields a `Call` and gets the `Answer`, or yields a
`Pause`. `vertebra_client.client` and `vertebra_client.async_client` carry out what it yields, one with blocking and one
with asynchronous input and output. So both clients follow the same rules, and no rule knows how bytes travel.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, TypeVar

from vertebra_client.submission import Form

T = TypeVar("T")

Progress = Callable[[int, int], object]
"""Called with the bytes that have travelled and the bytes in all."""


class Receiver(Protocol):
    """Takes the body of a good answer piece by piece."""

    def begin(self, status: int) -> None:
        """Hear the status of the answer, before its first byte."""

    def feed(self, data: bytes) -> bool:
        """Take a piece; return whether that is enough and the connection may be closed."""


@dataclass(frozen=True)
class Call:
    """One HTTP request to the service.

    Parameters
    ----------
    method, path
        The path begins with ``/v1`` and is below the URL of the service.
    query, headers
        Beside the headers of every request.
    body
        `Form` of an upload, or JSON text.
    receiver
        Gets the body of an answer with a status of 2xx; without one the `Answer` holds it.
    silence_s
        The call fails after so many seconds in which nothing comes; the default is that of the client.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Form | bytes | None = None
    receiver: Receiver | None = None
    silence_s: float | None = None


@dataclass(frozen=True)
class Answer:
    """The answer to a `Call`; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def is_good(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Pause:
    """Wait before the next step, seconds."""

    seconds: float


Steps: TypeAlias = Generator[Call | Pause, Answer | None, T]
"""A rule that ends with a value."""


def send(call: Call) -> Steps[Answer]:
    """Carry out one call. Raise `ServiceUnreachableError` if no whole answer comes."""
    answer = yield call
    assert answer is not None
    return answer

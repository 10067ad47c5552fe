"""Server-sent events (WHATWG HTML, section 9.2), from pieces of bytes to events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One event."""

    name: str
    data: str


class EventParser:
    """Puts events together. ``last_id`` is what a client sends as ``Last-Event-ID`` when it comes back."""

    def __init__(self) -> None:
        self.last_id = ""
        self._rest = b""
        self._clear()

    def restart(self) -> None:
        """Forget half an event: a new stream begins."""
        self._rest = b""
        self._clear()

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield the events that a piece of the stream completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace").removesuffix("\r")
            if text:
                self._add(text)
                continue
            self.last_id = self._id
            if self._data:
                yield Event(self._name, "\n".join(self._data))
            self._clear()

    def _add(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id":
            self._id = value

    def _clear(self) -> None:
        self._name, self._id = "message", self.last_id
        self._data: list[str] = []

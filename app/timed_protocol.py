"""The HTTP protocol of a connection, with limits of what a slow or silent client can hold.

uvicorn limits the idle time between two requests alone. A client that connects and says nothing, sends its headers or
its body byte by byte, or never reads the answer would hold a connection for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.jobs.gateway_settings import GatewaySettings

MAX_HEAD_BYTES = 64 << 10
"""Longest request line with headers: eight times what nginx and Apache take."""

LINGER_S = 10.0
"""How long a client may go on to send a body after the answer, seconds; many read the answer only afterwards."""

BUSY_TEXT = b"Too many connections are open. Try again soon."
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 10\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(BUSY_TEXT), BUSY_TEXT)
)
SLOW_HEAD = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
LONG_HEAD = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def timed_protocol(limits: GatewaySettings) -> type[HttpToolsProtocol]:
    """Return the protocol class for ``uvicorn.Config(http=...)`` with these limits."""
    return type("TimedProtocol", (TimedProtocol,), {"limits": limits})


class TimedProtocol(HttpToolsProtocol):
    """One connection. A timer runs while the client must act: send a head, send a body, or read an answer."""

    limits: GatewaySettings

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_bytes = 0
        self._body_bytes = 0
        self._body_complete = True
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request, or refuse a connection too many."""
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > self.limits.max_connections:
            self._close(BUSY)
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End every timer."""
        for timer in (self._head_timer, self._body_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass bytes to the parser; count those of a head that is not complete."""
        if self.transport.is_closing():
            return
        if self._body_complete:
            self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing() or not self._body_complete:
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self._close(LONG_HEAD)
        elif self._head_bytes and self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Begin to wait for the body."""
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().on_headers_complete()
        self._body_complete = False
        self._body_bytes = 0
        if not self._expects_no_body():
            self._await_body()

    def on_body(self, body: bytes) -> None:
        """Count the bytes of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the wait for the body."""
        self._body_complete = True
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Let a client that still sends its body do so for a while only."""
        super().on_response_complete()
        if not self._body_complete:
            self.loop.call_later(LINGER_S, self._close)

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.limits.answer_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """End the wait for the client to read."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _expects_no_body(self) -> bool:
        names = {name for name, _ in self.headers}
        return b"content-length" not in names and b"transfer-encoding" not in names

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.head_timeout_s, self._check_head)

    def _await_body(self) -> None:
        self._body_timer = self.loop.call_later(self.limits.body_timeout_s, self._check_body, self._body_bytes)

    def _check_head(self) -> None:
        """Close the connection, unless the head is that of a request behind one that is being answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._await_head()
        else:
            self._close(SLOW_HEAD)

    def _check_body(self, before: int) -> None:
        """Close the connection if too few bytes came in the window, unless this server was the slow one."""
        if self._body_bytes - before < self.limits.min_body_bytes and not self.flow.read_paused:
            self._close()
        else:
            self._await_body()

    def _close(self, answer: bytes = b"") -> None:
        """Close the connection, after an answer if no other one has begun."""
        if self.transport.is_closing():
            return
        if answer and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(answer)
        self.transport.close()

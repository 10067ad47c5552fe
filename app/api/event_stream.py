"""What all streams of server-sent events have in common (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

from fastapi.responses import StreamingResponse

EVENT_STREAM = "text/event-stream"
KEEP_ALIVE = ": still here\n\n"
KEEP_ALIVE_S = 15.0
"""Pause after which a comment shows the client, and proxies between, that the stream lives."""

LONGEST_STREAM_S = 900.0
"""A stream ends then, and the client opens the next one: so a credential that has ended is noticed."""

RECONNECT = "retry: 2000\n\n"
"""How soon a client reconnects, ms."""


class EventStream(StreamingResponse):
    """A stream that gives up its place when it ends, also when the client goes before it begins."""

    def __init__(self, content: AsyncIterator[str], held: ExitStack) -> None:
        super().__init__(content, media_type=EVENT_STREAM, headers={"X-Accel-Buffering": "no"})
        self._held = held

    async def __call__(self, *arguments: Any) -> None:
        """Send the stream."""
        with self._held:
            await super().__call__(*arguments)

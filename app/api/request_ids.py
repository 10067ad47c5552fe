"""Every request has an id: the client's ``X-Request-Id`` if that is sane, or a new one.

The answer repeats it as a header, and a problem as the member ``request_id``. Log lines name it, and the row of a job
keeps the id of the request that submitted it, so that the lines of a worker name it too.
"""

from __future__ import annotations

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.jobs.logs import request_id
from app.jobs.rows import REQUEST_ID_LENGTH

HEADER = "X-Request-Id"

SANE_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:-]{{0,{REQUEST_ID_LENGTH - 1}}}")
"""Ids of other programs: UUIDs, numbers, names. Nothing that could break a log line or name a patient in words."""


class RequestIds:
    """Gives each request its id, and repeats it in the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection. Each request has a task of its own, so its id ends with it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known_id = sane_id(Headers(scope=scope).get(HEADER)) or uuid.uuid4().hex
        request_id.set(known_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = known_id
            await send(message)

        await self._app(scope, receive, send_with_id)


def sane_id(text: str | None) -> str | None:
    """Return a client's id if it may stand in log lines and rows."""
    return text if text is not None and SANE_ID.fullmatch(text) else None

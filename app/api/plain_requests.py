"""Requests that mean what a route serves, written another way: a slash at the end of the path, HEAD in place of GET."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.path_prefix import own_path

OWN_HEAD = ("/results/", "/events")
"""Paths of the API with a HEAD of their own, or with none: an event stream does not end."""


class PlainRequests:
    """Takes the slash off the end of a path, and lets the API answer HEAD as GET; the server then sends no body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http":
            path = own_path(scope)
            if path.endswith("/") and path.strip("/"):
                scope = {**scope, "path": scope["path"].rstrip("/")}
            if scope["method"] == "HEAD" and path.startswith("/v1/") and not any(part in path for part in OWN_HEAD):
                scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)

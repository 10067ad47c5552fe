"""Lets the pages of other servers use the API, where the operator names them (CORS, Fetch standard, section 3.2).

A page of another server sends the key in a header, as every program does. It never gets the session cookie of a person
who is signed in here: no answer has ``Access-Control-Allow-Credentials``.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.path_prefix import own_path
from app.api.problem_details import problem_response
from app.contract.errors import ForeignPage

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
SENT = ("Authorization", "X-API-Key", "Content-Type", "Idempotency-Key", "Prefer", "Last-Event-ID", "Range",
        "If-None-Match", "If-Range", "X-Request-Id")  # fmt: skip
"""Headers that a page may send, beside those that every page may."""

SHOWN = ("Location", "Retry-After", "X-Request-Id", "Preference-Applied", "ETag", "Content-Range",
         "Content-Disposition", "Accept-Ranges")  # fmt: skip
"""Headers of an answer that a page may read, beside those that every page may."""

REMEMBERED_S = 600
"""How long a browser may remember what it was told, seconds."""

PUBLIC = ("/v1/", "/problems/", "/openapi.json")
"""Paths of the API. The web pages are only for their own server."""


class CrossOrigin(CORSMiddleware):
    """Answers preflight requests, and tells the browser of a page from a named origin that the page may read an answer.

    Parameters
    ----------
    app
        The application.
    origins
        Origins as browsers send them, e.g. ``https://viewer.example``; ``*`` for all.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        super().__init__(
            app, origins, METHODS, SENT, allow_credentials=False, expose_headers=SHOWN, max_age=REMEMBERED_S
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or not own_path(scope).startswith(PUBLIC):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers and "origin" in headers:
            response = self.preflight_response(headers)
            if response.status_code >= 400:
                response = _refusal(Request(scope), headers)
            await response(scope, receive, send)
            return
        await super().__call__(scope, receive, send)


def _refusal(request: Request, headers: Headers) -> Response:
    error = ForeignPage(
        "A page of this origin may not use the API, or not this method or header. The operator names the origins in "
        "VERTEBRA_CORS_ORIGINS.",
        expected="an origin that the operator names",
        got=headers["origin"][:100],
    )
    response = problem_response(request, error)
    response.headers["Vary"] = "Origin"
    return response

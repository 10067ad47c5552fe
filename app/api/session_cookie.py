"""The cookie of a session, and the proof that a request with it comes from a page of this server.

The cookie is out of reach of scripts (HttpOnly), is not sent by foreign pages (SameSite=Strict) and, behind https, not
over plain HTTP (Secure, and the prefix ``__Host-``, which no other host can set). A request that changes something must
also send the page token in a header, and must not name a foreign origin.
"""

from __future__ import annotations

import hmac

from fastapi import Request, Response

from app.api.path_prefix import root_of
from app.contract.errors import ForeignPage
from app.identity.session_store import page_token

COOKIE = "vertebra_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
TOKEN_HEADER = "X-Page-Token"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
HOUR_S = 3600


def session_text(request: Request) -> str | None:
    """Return the text of the request's session cookie."""
    return request.cookies.get(_cookie_name(request))


def set_session(request: Request, response: Response, text: str, hours: float) -> None:
    """Give the browser the cookie of a session."""
    response.set_cookie(
        _cookie_name(request), text, max_age=int(hours * HOUR_S), path="/",
        secure=_is_secure(request), httponly=True, samesite="strict",
    )  # fmt: skip


def remove_session(request: Request, response: Response) -> None:
    """Make the browser forget the cookie."""
    response.delete_cookie(
        _cookie_name(request), path="/", secure=_is_secure(request), httponly=True, samesite="strict"
    )


def check_page(request: Request, session: str) -> None:
    """Raise `ForeignPage` if a request that changes something does not come from a page of this session."""
    if request.method in SAFE_METHODS:
        return
    if "origin" in request.headers and not is_own_origin(request):
        raise foreign_page(request.headers["origin"][:60])
    sent = request.headers.get(TOKEN_HEADER, "")
    if not hmac.compare_digest(sent.encode(), page_token(session).encode()):
        raise foreign_page("no page token" if not sent else "a wrong page token")


def is_own_origin(request: Request) -> bool:
    """Return whether a browser says that a page of this server sent the request."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site") == "same-origin"
    return origin.partition("://")[2].lower() == request.headers.get("host", "").lower() != ""


def foreign_page(got: str) -> ForeignPage:
    """Return the error of a request that a page of another server may have sent."""
    return ForeignPage(
        "Open the page of this server again and repeat what you did. A program sends an API key instead of a cookie.",
        expected=f"a page of this server, and its token in {TOKEN_HEADER}",
        got=got,
    )


def _cookie_name(request: Request) -> str:
    """Return the name, with the path prefix: two services of one host do not take each other's cookie."""
    prefix = root_of(request.scope).replace("/", "~")
    return (SECURE_COOKIE if _is_secure(request) else COOKIE) + prefix


def _is_secure(request: Request) -> bool:
    """Return whether the client speaks https; behind a trusted proxy the server has read that from its headers."""
    return request.url.scheme == "https"

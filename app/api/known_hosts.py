"""Refuses requests that a foreign page makes a browser send to an open service.

A page of another server may make its visitor's browser POST to ``http://127.0.0.1:8000``. With a name that it lets
point to 127.0.0.1 (DNS rebinding) it could read the answers too, because its browser takes them for its own server's.
Where no credential is needed, only the names in ``Host`` and ``Origin`` tell such requests from those of a program.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.path_prefix import own_path
from app.api.problem_details import problem_response
from app.api.session_cookie import SAFE_METHODS
from app.contract.errors import ForeignPage, UnknownHost, VertebraError
from app.jobs.settings import Settings

FOREIGN_SITES = ("cross-site", "same-site")
"""Values of ``Sec-Fetch-Site`` that a browser sends for pages of other servers."""

PROBED = "/health/"
"""Paths that probes ask under any address; they tell nothing that a foreign page could use."""

LONGEST_ECHO = 100


class KnownHosts:
    """Checks ``Host``, and of requests that change something ``Origin``.

    Where every request needs a credential and no hosts are set, it checks nothing: the foreign page has no credential.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = frozenset(settings.allowed_hosts)
        self._is_open = settings.is_open
        self._own = settings.host
        self._origins = frozenset(settings.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        is_checked = scope["type"] == "http" and not own_path(scope).startswith(PROBED)
        if is_checked and (self._is_open or self._hosts):
            error = self._check(scope["method"], Headers(scope=scope))
            if error is not None:
                await problem_response(Request(scope), error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, method: str, headers: Headers) -> VertebraError | None:
        host = headers.get("host")
        if host is not None and not self._knows(host):
            return UnknownHost(
                "The server does not know this name of itself. The operator can add it to VERTEBRA_ALLOWED_HOSTS.",
                expected="an address, localhost or an allowed host",
                got=host[:LONGEST_ECHO],
            )
        if method not in SAFE_METHODS and self._is_foreign(headers, host or ""):
            return ForeignPage(
                "A page of another server sent this request. Use the pages of this server, or a program.",
                expected="no Origin, or this server's",
                got=headers.get("origin", headers.get("sec-fetch-site", ""))[:LONGEST_ECHO],
            )
        return None

    def _knows(self, host: str) -> bool:
        name = _name(f"//{host}")
        if name in self._hosts or name == "localhost" or name == self._own:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._hosts

    def _is_foreign(self, headers: Headers, host: str) -> bool:
        origin = headers.get("origin")
        if origin in self._origins:
            return False
        if headers.get("sec-fetch-site") in FOREIGN_SITES:
            return True
        if origin is None:
            return False
        return origin.partition("://")[2].lower() != host.lower() and _name(origin) not in self._hosts


def _name(url: str) -> str:
    """Return the host of a URL without its port, in lower case; nothing if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""

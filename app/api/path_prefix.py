"""The path under which a proxy publishes the gateway, e.g. ``/vertebra`` of ``https://apps.example/vertebra/v1/jobs``.

A proxy may pass the whole path on, or cut the prefix off. Programs on the same machine, such as probes, ask without it.
So a request is served with and without; what the gateway tells a client always has the prefix
(`app.jobs.gateway_settings.GatewaySettings.public_path`).
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.jobs.settings import SettingsError

OWN_NAMES = frozenset({"v1", "jobs", "health", "metrics", "problems", "sign-in", "sign-out", "docs", "openapi.json"})
"""What the gateway's own paths begin with."""


class PathPrefix:
    """Gives every request the path that begins with the prefix, as ASGI has it beside ``root_path``."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http":
            scope["root_path"] = self._prefix
            if not _is_under(scope["path"], self._prefix):
                scope["path"] = self._prefix + scope["path"]
        await self._app(scope, receive, send)


def root_of(scope: Scope) -> str:
    """Return the prefix of a request, which is empty where none is set."""
    return str(scope.get("root_path", ""))


def own_path(scope: Scope) -> str:
    """Return the path of a request without the prefix."""
    return str(scope["path"]).removeprefix(root_of(scope))


def check_prefix(prefix: str) -> None:
    """Raise `SettingsError` if the prefix begins as a path of the gateway's own: it could not be told from one."""
    if prefix.split("/")[1] in OWN_NAMES:
        raise SettingsError(f"VERTEBRA_PATH_PREFIX is {prefix}, but the gateway has such paths itself. Choose another.")


def describe_prefix(app: FastAPI, prefix: str) -> None:
    """Let the API description name values with the prefix: types of problems and the examples that are paths."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_prefix(plain(), prefix)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # as the framework's documentation says


def _with_prefix(part: Any, prefix: str) -> Any:
    if isinstance(part, dict):
        return {name: _with_prefix(value, prefix) for name, value in part.items()}
    if isinstance(part, list):
        return [_with_prefix(value, prefix) for value in part]
    return prefix + part if isinstance(part, str) and part.startswith("/") else part


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")

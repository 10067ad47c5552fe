"""A span for each request, a child of the client's span if it sends a ``traceparent``."""

from __future__ import annotations

from opentelemetry.trace import SpanKind, StatusCode
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.jobs import logs, tracing

OWN_FAULT = 500
"""Least status that marks a span as an error: the others are the client's."""


class TraceRequests:
    """Traces each request. Only an application whose settings say so has it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parent = tracing.parent_of(Headers(scope=scope).get("traceparent"))
        with tracing.span(scope["method"], SpanKind.SERVER, parent) as span:

            async def watch(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= OWN_FAULT:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            try:
                await self._app(scope, receive, watch)
            finally:
                route = getattr(scope.get("route"), "path", "none")
                span.update_name(f"{scope['method']} {route}")
                span.set_attributes({"http.request.method": scope["method"], "http.route": route})
                for name, value in (("request_id", logs.request_id.get()), ("job_id", logs.job_id.get())):
                    if value is not None:
                        span.set_attribute(f"vertebra.{name}", value)

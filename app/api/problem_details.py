"""RFC 9457 problem details: the body of every error response, and its part in the API description."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from app.api.path_prefix import root_of
from app.contract.errors import (
    InternalError,
    InvalidParameters,
    MethodNotAllowed,
    RangeNotSatisfiable,
    StorageUnavailable,
    Unauthorized,
    Unavailable,
    VertebraError,
)
from app.jobs import logs

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 10
"""Seconds after which a client should repeat a request that met `Unavailable`: two rounds of the reconciler."""

MAX_ECHO = 120
"""Longest text of a request that an error repeats, characters."""


class ProblemResponse(JSONResponse):
    """A JSON response with the media type of problem details."""

    media_type = MEDIA_TYPE


def problem_response(request: Request, error: VertebraError) -> Response:
    """Return the response that reports an error."""
    headers: dict[str, str] = {}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if "retry_after" in error.extra:
        headers["Retry-After"] = str(error.extra["retry_after"])
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if "location" in error.extra:
        headers["Location"] = error.extra["location"]
    if isinstance(error, MethodNotAllowed) and error.expected:
        headers["Allow"] = error.expected
    if isinstance(error, RangeNotSatisfiable) and "size" in error.extra:
        headers["Content-Range"] = f"bytes */{error.extra['size']}"
    body = error.problem(instance=request.url.path)
    body["type"] = root_of(request.scope) + body["type"]
    if known_id := logs.request_id.get():
        body["request_id"] = headers["X-Request-Id"] = known_id  # no middleware sees the answer to an unexpected error
    return ProblemResponse(body, error.status, headers=headers)


def validation_problem(error: ValidationError | RequestValidationError, what: str) -> InvalidParameters:
    """Return the problem of a validation error of pydantic. Its member ``errors`` lists every faulty field.

    Parameters
    ----------
    error
        The validation error.
    what
        What pydantic validated, for a person: ``params`` or ``the request``.
    """
    faults = [
        {
            "field": ".".join(str(part) for part in fault["loc"]) or what,
            "expected": fault["msg"],
            "got": _echo(fault.get("input")),
        }
        for fault in error.errors()
    ]
    first = faults[0]
    return InvalidParameters(
        f"`{first['field']}` of {what} is not acceptable: {first['expected']}.",
        expected=first["expected"],
        got=first["got"],
        errors=faults,
    )


def _echo(value: Any) -> str:
    """Return the beginning of a value that a client sent."""
    try:
        return json.dumps(value, default=lambda _: "unreadable text")[:MAX_ECHO]
    except ValueError:  # a number of more digits than Python converts
        return "a number of thousands of digits"


def error_responses(*errors: type[VertebraError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI ``responses`` of the errors that a route may report."""
    responses: dict[int | str, dict[str, Any]] = {}
    every: list[type[VertebraError]] = [*errors, StorageUnavailable, InternalError]
    for error in every:
        response = responses.setdefault(
            error.status,
            {
                "description": "",
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        summary = describe_error(error)
        response["description"] = f"{response['description']} `{error.slug}`: {summary}".strip()
        response["content"][MEDIA_TYPE]["examples"][error.slug] = {
            "summary": error.title,
            "value": error(summary).problem(),
        }
    return responses


def describe_error(error: type[VertebraError]) -> str:
    """Return the docstring of an error class on one line."""
    return " ".join((error.__doc__ or "").split())

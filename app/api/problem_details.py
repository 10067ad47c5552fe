"""The one place that maps errors to HTTP: everything leaves as RFC 9457 problem details."""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path

from app.contract.errors import (
    PROBLEM_BASE,
    InternalError,
    InvalidParameters,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    StorageUnavailable,
    Unauthorized,
    Unavailable,
    VertebraError,
    all_errors,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 10
MAX_ECHO = 120


class Problem(BaseModel):
    """RFC 9457 problem details (media type `application/problem+json`)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="URI of the kind of problem; it answers with a description. A job's `error` is one that input or "
        "the computation can have; the routes list their own.",
        json_schema_extra={"enum": [PROBLEM_BASE + error.slug for error in all_errors()]},
    )
    title: str = Field(description="What kind of problem this is, in a few words.")
    status: int = Field(description="HTTP status code (of a failed job: the status it would have had).")
    detail: str = Field(description="What happened in this case and what to do next.")
    expected: str | None = Field(default=None, description="The condition that was checked.")
    got: str | None = Field(default=None, description="The value that was found.")
    instance: str | None = Field(default=None, description="Path of the request the problem arose in.")


class ProblemResponse(JSONResponse):
    """A JSON response with the media type of problem details."""

    media_type = MEDIA_TYPE


def respond(request: Request, error: VertebraError) -> Response:
    """Return the response of an error."""
    headers: dict[str, str] = {}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if "location" in error.extra:
        headers["Location"] = error.extra["location"]
    if isinstance(error, MethodNotAllowed) and error.expected:
        headers["Allow"] = error.expected
    if "size" in error.extra and error.status == 416:
        headers["Content-Range"] = f"bytes */{error.extra['size']}"
    return ProblemResponse(error.problem(instance=request.url.path), error.status, headers=headers)


def invalid(error: ValidationError | RequestValidationError, what: str) -> InvalidParameters:
    """Return the problem of a pydantic validation error, with every faulty field under ``errors``."""
    faults = [
        {
            "field": ".".join(str(part) for part in fault["loc"]) or what,
            "expected": fault["msg"],
            "got": json.dumps(fault.get("input"), default=lambda _: "unreadable text")[:MAX_ECHO],
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


def from_http(request: Request, error: HTTPException) -> VertebraError:
    """Return the problem of an error the framework raised."""
    if error.status_code == 404:
        return NotFound(f"There is nothing at {request.url.path[:MAX_ECHO]}. The routes are listed at /openapi.json.")
    if error.status_code == 405:
        allowed = ", ".join(sorted(_methods(request))) or (error.headers or {}).get("Allow")
        return MethodNotAllowed("The resource does not answer this method.", expected=allowed, got=request.method)
    if error.status_code < 500:
        return MalformedRequest(str(error.detail))
    return InternalError("The request could not be handled.")


def _methods(request: Request) -> set[str]:
    """Return every method some route answers at the request's path (the framework names the first route's only)."""
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    matching = (operations for path, operations in paths.items() if compile_path(path)[0].match(request.url.path))
    return {method.upper() for operations in matching for method in operations}


def install(app: FastAPI) -> None:
    """Register the handlers."""

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, VertebraError)
        return respond(request, error)

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return respond(request, from_http(request, error))

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return respond(request, invalid(error, "the request"))

    async def database(request: Request, error: Exception) -> Response:
        log.error("database: %s", type(error).__name__, exc_info=error)
        return respond(request, StorageUnavailable("The job database does not answer. Try again later."))

    async def gone(request: Request, _error: Exception) -> Response:
        return Response(status_code=400)  # nobody is there to read it

    async def unforeseen(request: Request, _error: Exception) -> Response:  # starlette logs the traceback
        return respond(request, InternalError("Something unforeseen happened; the server's log has the details."))

    app.add_exception_handler(VertebraError, known)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(SQLAlchemyError, database)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, unforeseen)


def documented(*errors: type[VertebraError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI ``responses`` of the errors a route may answer with."""
    responses: dict[int | str, dict[str, Any]] = {}
    every: list[type[VertebraError]] = [*errors, StorageUnavailable, InternalError]
    for error in every:
        entry = responses.setdefault(
            error.status,
            {
                "description": "",
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        summary = " ".join((error.__doc__ or "").split())
        entry["description"] = f"{entry['description']} `{error.slug}`: {summary}".strip()
        entry["content"][MEDIA_TYPE]["examples"][error.slug] = {
            "summary": error.title,
            "value": error(summary).problem(),
        }
    return responses

"""The handlers that turn each exception of a route into a response with problem details."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path

from app.api.path_prefix import own_path, root_of
from app.api.problem_details import MAX_ECHO, problem_response, validation_problem
from app.contract.errors import (
    InternalError,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    StorageUnavailable,
    VertebraError,
)

log = logging.getLogger(__name__)


Presenter = Callable[[Request, Response], Response]
"""Returns what the client of a request sees of a response with problem details."""


def install_error_handlers(app: FastAPI, present: Presenter = lambda _request, problem: problem) -> None:
    """Register the handlers at an application. `present` may turn a problem into another response with its status."""

    def respond(request: Request, error: VertebraError) -> Response:
        return present(request, problem_response(request, error))

    async def handle_known(request: Request, error: Exception) -> Response:
        assert isinstance(error, VertebraError)
        return respond(request, error)

    async def handle_framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return respond(request, http_problem(request, error))

    async def handle_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return respond(request, validation_problem(error, "the request"))

    async def handle_database(request: Request, error: Exception) -> Response:
        log.error("the database failed: %s", type(error).__name__, exc_info=error)
        return respond(request, StorageUnavailable("The job database does not answer. Try again later."))

    async def handle_system(request: Request, error: Exception) -> Response:
        assert isinstance(error, OSError)
        if error.errno is None:  # not the operating system's
            return await handle_unexpected(request, error)
        log.error("the operating system refused: %s", error.strerror, exc_info=error)
        return respond(request, StorageUnavailable(f"The server cannot store files: {error.strerror}."))

    async def handle_disconnect(_request: Request, _error: Exception) -> Response:
        return Response(status_code=400)  # the client has gone and reads no body

    async def handle_unexpected(request: Request, _error: Exception) -> Response:  # starlette logs the traceback
        return respond(request, InternalError("An unexpected error happened. The server's log has the details."))

    app.add_exception_handler(VertebraError, handle_known)
    app.add_exception_handler(HTTPException, handle_framework)
    app.add_exception_handler(RequestValidationError, handle_validation)
    app.add_exception_handler(SQLAlchemyError, handle_database)
    app.add_exception_handler(OSError, handle_system)
    app.add_exception_handler(ClientDisconnect, handle_disconnect)
    app.add_exception_handler(Exception, handle_unexpected)


def http_problem(request: Request, error: HTTPException) -> VertebraError:
    """Return the problem of an error that the framework raised."""
    if error.status_code == 404:
        path, root = request.url.path[:MAX_ECHO], root_of(request.scope)
        return NotFound(f"The server has no resource at {path}. {root}/openapi.json lists the routes.")
    if error.status_code == 405:
        allowed = ", ".join(sorted(_allowed_methods(request))) or (error.headers or {}).get("Allow")
        return MethodNotAllowed("The resource does not support this method.", expected=allowed, got=request.method)
    if error.status_code < 500:
        return MalformedRequest(str(error.detail))
    return InternalError("The server could not handle the request.")


def _allowed_methods(request: Request) -> set[str]:
    """Return the methods of all routes at the request's path; the framework names those of the first route only."""
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    asked = own_path(request.scope)
    matches = (operations for path, operations in paths.items() if compile_path(path)[0].match(asked))
    return {method.upper() for operations in matches for method in operations}

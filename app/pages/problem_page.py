"""The page that tells a person in a browser about a problem; programs get the same problem as JSON."""

from __future__ import annotations

import json

from fastapi import Request, Response

from app.api.path_prefix import own_path
from app.api.session_cookie import TOKEN_HEADER
from app.pages.render import render

API = "/v1/"
"""Below this path every answer is for programs."""
OF_JSON = ("content-length", "content-type")
"""Headers of the JSON that a page has its own of."""


def present(request: Request, problem: Response) -> Response:
    """Return problem details (RFC 9457) as a page where a browser asks for one, else as they are."""
    return as_page(request, problem) if asks_for_page(request) else problem


def asks_for_page(request: Request) -> bool:
    """Whether a browser asks for a page: it names HTML as what it accepts, and the path is not the API's."""
    wanted = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "").lower()
    return wanted and not own_path(request.scope).startswith(API)


def as_page(request: Request, problem: Response) -> Response:
    """Return problem details (RFC 9457) as a page, with the status and the headers of the JSON response."""
    body = json.loads(bytes(problem.body))
    values = {"problem": body, "tenant": "", "token_header": TOKEN_HEADER, "page_token": ""}
    page = render(request, "problem.html", values, problem.status_code)
    page.headers.update({name: value for name, value in problem.headers.items() if name not in OF_JSON})
    return page

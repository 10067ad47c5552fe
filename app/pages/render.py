"""Renders the templates. The security policy of a page allows only the style and the script of that response."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.api.path_prefix import root_of

FOLDER = Path(__file__).parent
NONCE_BYTES = 16


def render(request: Request, template: str, values: Mapping[str, object], status: int = 200) -> HTMLResponse:
    """Return a page with these values and this HTTP status. Its links begin with ``root``, the path prefix."""
    nonce = secrets.token_urlsafe(NONCE_BYTES)
    html = _templates().get_template(template).render(values, root=root_of(request.scope), nonce=nonce, css=_css())
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src 'self' blob: data:; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    # with `no-referrer`, which other answers have, a browser would hide the origin of a form from its own server
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "same-origin"}
    return HTMLResponse(html, status, headers=headers)


@cache
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)


@cache
def _css() -> Markup:
    return Markup((FOLDER / "style.css").read_text(encoding="utf-8"))

"""The two web pages for clinicians. They read the JSON API and load nothing from other servers."""

from __future__ import annotations

import secrets
from functools import cache
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.api.services import ServicesDep
from app.contract.params import JobParams, OnUncertainLevel

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parent
LONGEST_ID = 64
"""Characters of a path that the page of a job repeats."""

NONCE_BYTES = 16

UNCERTAIN_LEVEL_WORDS: dict[OnUncertainLevel, str] = {
    "refuse": "give no answer, and show the candidates",
    "flag": "answer, and mark the level as not verified",
}
"""What the form offers for `on_uncertain_level`."""


@router.get("/")
def home(services: ServicesDep) -> HTMLResponse:
    """Return the page with the upload form and the recent jobs."""
    schema = JobParams.model_json_schema()["properties"]
    return _render(
        "home.html",
        needs_key=bool(services.settings.api_keys),
        levels=schema["vertebra"]["enum"],
        default_level=schema["vertebra"]["default"],
        fidelities=schema["fidelity"].get("enum") or [schema["fidelity"]["const"]],
        uncertain_levels={name: UNCERTAIN_LEVEL_WORDS[name] for name in schema["on_uncertain_level"]["enum"]},
        load=schema["load_newton"]["default"],
    )


@router.get("/jobs/{job_id}")
def job(job_id: str, services: ServicesDep) -> HTMLResponse:
    """Return the page of one job. Its script reads the data from the API with the key of the person who looks at it."""
    return _render("job.html", needs_key=bool(services.settings.api_keys), job_id=job_id[:LONGEST_ID])


def _render(template: str, **values: object) -> HTMLResponse:
    """Return a page. Its security policy allows only the style and the script of this response."""
    nonce = secrets.token_urlsafe(NONCE_BYTES)
    html = _templates().get_template(template).render(nonce=nonce, css=_css(), **values)
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src 'self' blob: data:; frame-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})


@cache
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)


@cache
def _css() -> Markup:
    return Markup((FOLDER / "style.css").read_text(encoding="utf-8"))

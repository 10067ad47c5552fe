"""The two web pages for clinicians. They read the JSON API and load nothing from other servers."""

from __future__ import annotations

from typing import get_args

from fastapi import APIRouter, Request, Response

from app.api.auth import ReaderDep
from app.api.services import ServicesDep
from app.api.session_cookie import TOKEN_HEADER, session_text
from app.contract.job import JobState
from app.contract.numbering import CONVENTION_NAMES
from app.contract.params import DEFAULT_VERTEBRA, LEVELS, Fidelity, JobParams, OnUncertainLevel
from app.identity.principal import Principal
from app.identity.session_store import page_token
from app.pages import api_description, sign_in
from app.pages.render import render
from app.pages.sign_in import to_sign_in

router = APIRouter(include_in_schema=False)
router.include_router(sign_in.router)
router.include_router(api_description.router)

LONGEST_ID = 64
"""Characters of a path that the page of a job repeats."""

UNCERTAIN_LEVEL_WORDS: dict[OnUncertainLevel, str] = {
    "refuse": "give no answer, and show the candidates",
    "flag": "answer, and mark the level as not verified",
}
"""What the form offers for `on_uncertain_level`."""

FIDELITY_WORDS: dict[Fidelity, str] = {
    "surrogate": "prediction, with its expected error",
    "fe": "finite elements",
    "both": "both, and how they differ",
}
"""What the form offers for `fidelity`."""


@router.get("/")
async def home(request: Request, reader: ReaderDep) -> Response:
    """Return the page with the upload form and the recent jobs."""
    if reader is None:
        return to_sign_in(request)
    return render(
        request, "home.html", _session_values(request, reader) | _form_values() | {"states": get_args(JobState)}
    )


@router.get("/jobs/{job_id}")
async def job(job_id: str, request: Request, reader: ReaderDep, services: ServicesDep) -> Response:
    """Return the page of one job. Its script reads the data from the API in the session of the person who looks."""
    if reader is None:
        return to_sign_in(request)
    own = {"job_id": job_id[:LONGEST_ID], "keeps_corrections": services.settings.corrections_dir is not None}
    values = _session_values(request, reader) | _form_values() | own
    return render(request, "job.html", values)


def _form_values() -> dict[str, object]:
    """Return what the fields of `params_fields.html` offer."""
    return {
        "levels": {level: level for level in LEVELS} | {"all": "all levels of the scan"},
        "default_level": DEFAULT_VERTEBRA,
        "conventions": CONVENTION_NAMES,
        "fidelities": {name: FIDELITY_WORDS[name] for name in get_args(Fidelity)},
        "uncertain_levels": {name: UNCERTAIN_LEVEL_WORDS[name] for name in get_args(OnUncertainLevel)},
        "load": f"{JobParams.model_fields['load_newton'].default:g}",
    }


def _session_values(request: Request, reader: Principal) -> dict[str, object]:
    """Return who looks and the page token, for the base template."""
    text = session_text(request)
    return {
        "tenant": reader.tenant,
        "may_submit": "submit" in reader.scopes,
        "token_header": TOKEN_HEADER,
        "page_token": page_token(text) if text else "",
    }

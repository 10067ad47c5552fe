"""The two web pages for clinicians. They read the JSON API and load nothing from other servers."""

from __future__ import annotations

from typing import get_args

from fastapi import APIRouter, Request, Response

from app.api.auth import ReaderDep
from app.api.services import ServicesDep
from app.api.session_cookie import TOKEN_HEADER, session_text
from app.contract.bone import (
    CALIBRATION_KINDS,
    LOW_MG_CM3,
    OSTEOPOROTIC_MG_CM3,
    BoneMaterial,
    DensityLaw,
    InternalMethod,
    PhantomMeasure,
    StrengthModel,
)
from app.contract.job import JobState
from app.contract.numbering import CONVENTION_NAMES
from app.contract.params import DEFAULT_VERTEBRA, LEVELS, Fidelity, JobParams, LoadCase, OnUncertainLevel
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


LOAD_CASE_WORDS: dict[LoadCase, str] = {
    "traction": "an even pressure, as published: for the stress",
    "plates": "a rigid plate: for stiffness and strength",
    "caps": "a plate on caps of bone cement, as in a testing machine",
}
"""What the form offers for `load_case`."""

MATERIAL_WORDS: dict[BoneMaterial, str] = {
    "homogeneous": "the same everywhere (E 500 MPa), as published",
    "density": "that of its density in the CT (research)",
}
"""What the form offers for `material`."""

CALIBRATION_WORDS = {
    "phantom": "a phantom, whose line I know",
    "internal": "the tissues of the scan itself",
    "none": "nothing: guess, and mark every result",
}
"""What the form offers for the kind of `calibration`."""

METHOD_WORDS: dict[InternalMethod, str] = {
    "michalski_2020": "Michalski 2020, compares with published tables; reads high where bone is sparse",
    "water_line": "K2HPO4 in water, compares with a phantom",
}
"""What the form offers for the method of an internal calibration."""

MEASURE_WORDS: dict[PhantomMeasure, str] = {"k2hpo4": "K2HPO4", "hydroxyapatite": "hydroxyapatite (HA)"}
"""What the form offers for the salt of a phantom."""

STRENGTH_WORDS: dict[StrengthModel, str] = {
    "linear": "estimated from the linear solution",
    "nonlinear": "also crush the bone in the model: half a minute more",
}
"""What the form offers for `strength`."""

LAW_WORDS: dict[DensityLaw, str] = {
    "kopperdahl_2002": "Kopperdahl 2002, vertebrae (default)",
    "crawford_2003": "Crawford 2003, vertebrae, a straight line",
    "morgan_2003": "Morgan 2003, vertebrae; about twice as stiff",
    "keyak_2003": "Keyak 2003, cortical bone too; about twice as stiff",
}
"""What the form offers for `density_law`."""


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
    own = {
        "job_id": job_id[:LONGEST_ID],
        "keeps_corrections": services.settings.corrections_dir is not None,
        "acr_lines": [round(OSTEOPOROTIC_MG_CM3), round(LOW_MG_CM3)],
    }
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
        "load_cases": {name: LOAD_CASE_WORDS[name] for name in get_args(LoadCase)},
        "materials": {name: MATERIAL_WORDS[name] for name in get_args(BoneMaterial)},
        "calibrations": {name: words for name, words in CALIBRATION_WORDS.items() if name in CALIBRATION_KINDS},
        "internal_methods": {name: METHOD_WORDS[name] for name in get_args(InternalMethod)},
        "measures": {name: MEASURE_WORDS[name] for name in get_args(PhantomMeasure)},
        "strengths": {name: STRENGTH_WORDS[name] for name in get_args(StrengthModel)},
        "density_laws": {name: LAW_WORDS[name] for name in get_args(DensityLaw)},
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

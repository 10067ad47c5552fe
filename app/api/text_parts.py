"""What the text parts of a submission's form must be: parameters, name, labels."""

from __future__ import annotations

import codecs

from pydantic import ValidationError

from app.api.problem_details import validation_problem
from app.contract.errors import InvalidParameters
from app.contract.labels import LABELS
from app.contract.params import JobParams
from app.jobs.rows import NAME_LENGTH


def parse_params(text: bytes) -> JobParams:
    """Return the parameters of a job from their JSON. Raise `InvalidParameters` if a field is not acceptable.

    A byte-order mark before the JSON is ignored, as RFC 8259 allows; editors and shells of Windows write one.
    """
    try:
        return JobParams.model_validate_json(text.removeprefix(codecs.BOM_UTF8) or b"{}")
    except ValidationError as error:
        raise validation_problem(error, "params") from error


def job_name(text: bytes) -> str | None:
    """Return the name that a client gives a job; None of blanks. Raise `InvalidParameters` if it is not acceptable."""
    name = text.decode("utf-8", "replace").strip()
    if len(name) > NAME_LENGTH or not (name or " ").isprintable():
        raise InvalidParameters(
            "`name` is not a short line of text.",
            expected=f"at most {NAME_LENGTH} printable characters",
            got=f"{len(name)} characters",
        )
    return name or None


def job_labels(text: bytes) -> dict[str, str]:
    """Return the labels that a client gives a job, from JSON. Raise `InvalidParameters` if one is not acceptable."""
    try:
        return LABELS.validate_json(text.removeprefix(codecs.BOM_UTF8).strip() or b"{}")
    except ValidationError as error:
        raise validation_problem(error, "labels") from error

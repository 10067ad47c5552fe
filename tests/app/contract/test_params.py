"""Parameters in rows: what an older or a newer release makes of them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from pydantic import ValidationError

from app.contract.params import CONTRACT, JobParams, read_params

FINGERPRINTS = {1: "a6eff6988c46398c", 2: "6342dff258d2b74b", 3: "871353e8f22dcbf1", 4: "db812a24843fbffa"}
"""SHA-256 (the first digits) of the JSON schema of `JobParams`, without its texts, for each `CONTRACT`."""


def without_texts(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: without_texts(value) for name, value in schema.items() if name not in ("description", "title")}
    return [without_texts(item) for item in schema] if isinstance(schema, list) else schema


def test_other_parameters_are_another_contract() -> None:
    """Whoever changes `JobParams` raises `CONTRACT` and adds a line here, so that older workers leave such jobs."""
    schema = json.dumps(without_texts(JobParams.model_json_schema()), sort_keys=True)
    assert hashlib.sha256(schema.encode()).hexdigest()[:16] == FINGERPRINTS[CONTRACT]


def test_a_row_of_an_older_release_has_the_defaults_of_this_one() -> None:
    assert read_params({"vertebra": "L3", "mask_label": None}, 1) == JobParams(vertebra="L3")


def test_a_row_holds_nothing_that_an_older_release_does_not_know_unless_it_is_used() -> None:
    assert "deadline_s" not in JobParams().stored()
    params = JobParams(deadline_s=60, seed_ras_mm=[1.0, 2.0, 3.0])
    assert params.stored()["deadline_s"] == 60
    assert read_params(json.loads(json.dumps(params.stored())), CONTRACT) == params


def test_of_a_row_of_a_newer_release_the_known_parameters_are_shown() -> None:
    stored = {"vertebra": "C2", "load_newton": 10.0, "not_yet_invented": 1}
    with pytest.raises(ValidationError):
        read_params(stored, CONTRACT)
    shown = read_params(stored, CONTRACT + 1)
    assert (shown.vertebra, shown.load_newton, shown.fidelity) == ("C2", 10.0, "surrogate")

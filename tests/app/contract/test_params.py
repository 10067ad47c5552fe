"""Parameters in rows: what an older or a newer release makes of them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from pydantic import ValidationError

from app.contract.params import CONTRACT, JobParams, read_params

FINGERPRINTS = {
    1: "a6eff6988c46398c",
    2: "6342dff258d2b74b",
    3: "871353e8f22dcbf1",
    4: "db812a24843fbffa",
    5: "d0c94cd61bb4661c",
    6: "85fd71ea6af17920",
    7: "65bf636d1a5c7072",
    8: "5791e6c5be287b5f",
    9: "d268cd001e011695",
    10: "920ff4d92b2be1b4",
    11: "22a2b59281eb23ee",
    12: "dec6b17b31df3647",
    13: "dec6b17b31df3647",  # the CT may be in an archive: no parameter, but older workers must leave such jobs
    14: "21118357fa81998b",
}
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


def test_levels_come_from_top_to_bottom_whatever_their_order() -> None:
    several = JobParams.model_validate_json('{"vertebra": ["L3", "T12", "L1"], "load_newton": 750}')
    assert several.has_folders
    assert several.by_level() == {level: JobParams(vertebra=level, load_newton=750.0) for level in ("T12", "L1", "L3")}
    assert list(several.by_level()) == ["T12", "L1", "L3"]
    assert list(JobParams(vertebra="all").by_level()) == ["T11", "T12", "L1", "L2", "L3", "L4", "L5"]
    for one in (JobParams(), JobParams(vertebra="L1")):
        assert (one.by_level(), one.has_folders) == ({"L1": one}, False)
    assert JobParams(vertebra=["L2"]).has_folders  # a list of one has a folder too
    assert read_params(json.loads(json.dumps(several.stored())), CONTRACT) == several


@pytest.mark.parametrize("vertebra", [[], ["L1", "L1"], ["L1", "C2"], ["all"], "every", 1, ["L1"] * 8])
def test_other_levels_are_refused_in_one_sentence(vertebra: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        JobParams(vertebra=vertebra)
    assert [fault["loc"] for fault in caught.value.errors()] == [("vertebra",)]
    assert "T11 to L5, `all`, or a list" in str(caught.value)


@pytest.mark.parametrize("one", [{"seed_ras_mm": [1.0, 2.0, 3.0]}, {"mask_label": 31}])
@pytest.mark.parametrize("vertebra", ["all", ["L1", "L2"]])
def test_a_seed_or_a_label_is_of_one_vertebra(vertebra: Any, one: dict[str, Any]) -> None:
    assert JobParams(**one).has_folders is False
    with pytest.raises(ValidationError, match="name one vertebra"):
        JobParams(vertebra=vertebra, **one)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"material": "density"}, "needs a `calibration`"),
        ({"calibration": {"kind": "none"}}, 'needs `"material": "density"`'),
        (
            {"material": "density", "calibration": {"kind": "phantom", "slope": -0.8, "intercept": 0.0}},
            "greater than 0",
        ),
        ({"material": "density", "calibration": {"kind": "phantom", "slope": 0.8}}, "Field required"),
        ({"material": "density", "calibration": {"kind": "none"}, "fidelity": "both"}, "the stress is solved"),
        ({"material": "density", "calibration": {"kind": "none"}, "surrogate": "paper"}, "the stress is solved"),
        ({"strength": "nonlinear"}, 'needs `"material": "density"`'),
        ({"load_case": "plates", "surrogate": "tangent"}, "the stress is solved"),
        ({"moments": {"flexion": 1.0}, "surrogate": "tangent"}, "the stress is solved"),
        ({"moments": {"flexion": 1.0}, "load_case": "plates"}, "do not turn"),
    ],
)
def test_a_density_that_cannot_be_computed_is_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        JobParams.model_validate(params)


def test_a_calibration_survives_the_row() -> None:
    phantom = {"kind": "phantom", "slope": 0.8, "intercept": -4.0, "measure": "hydroxyapatite"}
    params = JobParams.model_validate({"material": "density", "calibration": phantom})
    assert read_params(json.loads(json.dumps(params.stored())), CONTRACT) == params
    assert "calibration" not in JobParams().stored()

"""The load that follows from the body weight."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.contract.certainty import certainty
from app.contract.levels import LEVELS
from app.contract.load import BodyWeight, share_above
from app.contract.params import JobParams
from tests.app.reports import report


def test_more_of_the_body_is_above_a_lower_level() -> None:
    """By hand: 18.1 % head and arms; at L1 the twelve slices from 1.1 % to 2.13 %, at L5 sixteen up to 2.51 %."""
    shares = [share_above(level) for level in LEVELS]
    assert shares == sorted(shares)
    assert share_above("L1") == pytest.approx(0.181 + 12 * (0.011 + 0.0213125) / 2, rel=1e-4)
    assert share_above("L5") == pytest.approx(0.181 + 16 * (0.011 + 0.0250625) / 2, rel=1e-4)


def test_all_slices_together_are_the_trunk_above_the_pelvis() -> None:
    """Upper and middle trunk of the study: 18.5 and 12.2 % of body mass."""
    assert share_above("L5") + 0.026 - 0.181 == pytest.approx(0.185 + 0.122, abs=0.01)


def test_a_report_says_what_the_load_follows_from() -> None:
    weight = BodyWeight.above("L1", 70.0)
    assert weight.newton == pytest.approx(257.4, abs=0.1)
    said = dict(certainty(report(load_newton=weight.newton, body_weight=weight).model_dump(mode="json")))
    assert said["load"] == "257 N, the weight of 37% of a body of 70 kg; without muscle forces"


def test_a_force_and_a_weight_exclude_each_other() -> None:
    assert JobParams(body_weight_kg=70.0).load_newton == 500.0  # until the level is known
    with pytest.raises(ValidationError, match="exclude each other"):
        JobParams(body_weight_kg=70.0, load_newton=400.0)

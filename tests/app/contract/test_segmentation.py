from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.contract.report import ExpectedError, Outline, RowBody, Segmentation
from tests.app.reports import OUTLINE

BEFORE = {
    "centre_ras_mm": [1.0, 2.0, 3.0],
    "confidence": 0.97,
    "alternatives": [],
    "levels_seen": ["T12", "L1"],
    "level_by_ribs": "L1",
    "level_by_sacrum": None,
    "unsure_share": 0.1,
}


def test_a_section_without_row_and_outline_is_read() -> None:
    section = Segmentation.model_validate(BEFORE)
    assert (section.row, section.level_verified, section.outline) == ([], None, None)


def test_a_row_says_what_was_seen_of_each_body() -> None:
    body = {"level": "L5", "centre_ras_mm": [0.0, 0.0, -90.5], "confidence": 0.9, "ribs": False, "sacrum": "on"}
    section = Segmentation.model_validate(BEFORE | {"row": [body], "level_verified": True})
    assert section.row == [RowBody(level="L5", centre_ras_mm=(0, 0, -90.5), confidence=0.9, ribs=False, sacrum="on")]
    with pytest.raises(ValidationError):
        RowBody.model_validate(body | {"sacrum": "below"})
    with pytest.raises(ValidationError):
        RowBody.model_validate(body | {"confidence": 1.1})


def test_an_outline_needs_every_measure_but_the_height() -> None:
    """A vertebra without neighbours has no height to compare; everything else is always measured."""
    values = OUTLINE.model_dump()
    assert Outline.model_validate({k: v for k, v in values.items() if k != "height_ratio"}).height_ratio is None
    for name in values.keys() - {"height_ratio"}:
        with pytest.raises(ValidationError):
            Outline.model_validate({k: v for k, v in values.items() if k != name})


def test_an_expected_error_names_its_causes() -> None:
    with pytest.raises(ValidationError):
        ExpectedError.model_validate({"total_percent": 1.0})
    assert ExpectedError(outline_percent=None, surrogate_percent=0.5, total_percent=0.5).total_percent == 0.5

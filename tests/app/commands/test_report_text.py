from __future__ import annotations

import json
from typing import Any

from app.commands.report_text import summary
from app.contract.report import ExpectedError
from tests.app.reports import OUTLINE, REFINED, SEGMENTATION, report


def lines(**changes: Any) -> list[str]:
    return summary(json.loads(report(**changes).model_dump_json())).splitlines()


def test_warnings_level_outline_and_error_come_before_the_numbers() -> None:
    assert lines()[:11] == [
        "Vertebra L1, 500 N axial compression, fidelity surrogate",
        "WARNING    The CT's voxels measure up to 3.0 mm: detail finer than that is interpolated.",
        "level      verified; by the ribs L1; confidence 97%",
        "vertebra   segmented at (1, -20, 300); T12 to L2 in the scan",
        "outline    two views agree, Dice 0.96; edge at the superior endplate 91%; at the inferior 87%; height 0.98 of "
        "the distance of the bodies; load axis within 1.6°; least sure at the superior endplate",
        "error      expected 1.60 % of the peak: outline 1.50 %, surrogate 0.60 %",
        "",
        "99th percentile         0.521 MPa, in the body 0.544 MPa",
        "peak off endplates      0.733 MPa at (12.0, -10.0, 300.0), body",
        "peak overall            1.250 MPa at (12.0, -10.0, 287.0), inferior endplate; depends on the mesh at the "
        "clamped rim",
        "most tensile s1         0.300 MPa at (12.0, -10.0, 299.0), body",
    ]


def test_what_is_unsure_is_said() -> None:
    outline = OUTLINE.model_copy(update={"uncertain": True, "dense_share": 0.18, "view_dice": None})
    unsure = {"level_verified": False, "level_by_ribs": None, "outline": outline}
    error = ExpectedError(outline_percent=4.2, surrogate_percent=None, total_percent=4.2)
    text = lines(segmentation=SEGMENTATION.model_copy(update=unsure), expected_error=error, warnings=[])
    assert text[1] == "level      NOT VERIFIED: ribs and sacrum do not settle it; confidence 97%"
    assert text[3].startswith("outline    UNCERTAIN, check the mask; edge at the superior endplate 91%")
    assert "18% as dense as metal or cement" in text[3]
    assert text[4] == "error      expected 4.20 % of the peak: outline 4.20 %"


def test_a_bound_of_the_error_is_called_one() -> None:
    error = ExpectedError(outline_percent=1.5, surrogate_percent=0.08, total_percent=1.5)
    text = lines(prediction=REFINED, expected_error=error)
    assert "error      expected 1.50 % of the peak: outline 1.50 %, surrogate at most 0.08 %" in text
    said = "error at most 0.08 % of the peak after 4 cycles, which changed the prediction by 0.52 %"
    assert f"prediction refined surrogate, {said}; shape 1.9 mm from the template" in text


def test_a_seed_and_a_mask() -> None:
    seeded = {"confidence": None, "level_verified": None, "level_by_ribs": None, "levels_seen": [], "outline": None}
    text = lines(segmentation=SEGMENTATION.model_copy(update=seeded), expected_error=None)
    assert text[2:5] == [
        "level      as the seed says that was sent; nothing was counted",
        "vertebra   segmented at (1, -20, 300)",
        "",
    ]
    masked = lines(segmentation=None, expected_error=None, warnings=[])
    assert masked[1:3] == ["level      as the client says that sent the mask", ""]


def numbering(**fields) -> dict:
    told = {"label": 31, "convention": "totalsegmentator_v2", "chosen_by": "labels", "level": "L1", "possible": {}}
    return told | {"contradicted": False, "reason": "Why."} | fields


def test_what_says_the_level_of_a_mask() -> None:
    masked = {"segmentation": None, "expected_error": None, "warnings": []}
    told = lines(**masked, vertebra="L1", numbering=numbering())
    assert told[1] == "level      as the mask says: label 31 in TotalSegmentator v2 numbering"
    told = lines(**masked, vertebra="L1", numbering=numbering(convention=None, chosen_by=None, level=None))
    assert told[1] == "level      as the client says; label 31"
    told = lines(**masked, vertebra="unknown", numbering=numbering(convention=None, chosen_by=None, level=None))
    assert told[0].startswith("Vertebra of unknown level, 500 N")
    assert told[1] == "level      UNKNOWN: neither the client nor the mask says what label 31 is"

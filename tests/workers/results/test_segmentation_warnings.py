"""Warnings on level and outline of a vertebra that the networks found."""

from __future__ import annotations

from app.contract.segmentation import Outline, RowBody, Segmentation
from workers.results.segmentation_warnings import segmentation_warnings


def section(**changes) -> Segmentation:
    row = [
        RowBody(level=level, centre_ras_mm=(0.0, 0.0, z), confidence=0.97, ribs=False, sacrum="above")
        for level, z in (("L1", 70.0), ("L2", 35.0), ("L3", 0.0))
    ]
    values = {
        "centre_ras_mm": (0.0, 0.0, 35.0),
        "confidence": 0.97,
        "alternatives": [],
        "levels_seen": ["L1", "L2", "L3"],
        "level_by_ribs": None,
        "level_by_sacrum": "L2",
        "unsure_share": 0.2,
        "row": row,
        "level_verified": True,
    }
    return Segmentation(**values | changes)


def outline(**changes) -> Outline:
    values = {"worst_place": "superior_endplate", "expected_nmae_percent": 1.5, "uncertain": False, "height_ratio": 0.8}
    edges = {"superior_endplate_edge": 0.9, "inferior_endplate_edge": 0.9}
    return Outline(
        **values | edges | {"view_dice": 0.95, "dense_share": 0.0, "load_axis_uncertainty_deg": 1.6} | changes
    )


def test_a_verified_level_and_a_sure_outline_need_no_warning():
    assert segmentation_warnings(section(outline=outline()), "L2") == []


def test_an_unverified_level_is_told_first():
    (first, second) = segmentation_warnings(
        section(level_verified=False, confidence=0.83, outline=outline(uncertain=True, expected_nmae_percent=4.2)), "L2"
    )
    assert "not verified" in first
    assert "83%" in first
    assert "4.2 %" in second
    assert "superior endplate" in second


def test_a_seed_in_a_body_that_the_row_names_otherwise_is_told():
    seeded = {"confidence": None, "level_verified": None}
    (warning,) = segmentation_warnings(section(**seeded), "L1")
    assert "L2 by the row" in warning
    assert segmentation_warnings(section(**seeded), "L2") == []
    unsure = [body.model_copy(update={"confidence": 0.5}) for body in section().row]
    assert segmentation_warnings(section(**seeded, row=unsure), "L1") == []


def test_a_swallowed_disc_and_cement_are_named():
    warnings = segmentation_warnings(section(outline=outline(uncertain=True, height_ratio=1.08, dense_share=0.3)), "L2")
    assert any("holds a disc" in warning for warning in warnings)
    assert any("30%" in warning and "cement" in warning for warning in warnings)

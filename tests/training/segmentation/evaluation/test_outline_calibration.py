"""The law of an outline's expected error, and how it is judged: nobody is judged by a law that was fitted to him."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (make training)")

from training.segmentation.evaluation.outline_calibration import OutlineError, fit_law, within_factor_two


def outlines(person: str, factor: float) -> list[OutlineError]:
    """Ten outlines whose error is `factor` times ten times the undecided share."""
    shares = np.linspace(0.05, 0.3, 10)
    return [
        OutlineError(f"{i:03d} L1 of {person}, 1.0 mm", u, 0.96, 0.1, 10.0 * factor * u) for i, u in enumerate(shares)
    ]


def test_the_law_finds_the_power_and_the_scale():
    law = fit_law(outlines("a", 1.0))
    assert law.unsure_power == pytest.approx(1.0, abs=0.05)
    assert law.expected_nmae(0.2, 0.96, 0.1) == pytest.approx(2.0, rel=0.02)


def test_an_outline_names_its_person():
    assert outlines("verse004", 1.0)[0].person == "verse004"
    assert OutlineError("totalsegmentator L1", 0.1, 0.96).person == "totalsegmentator"


def test_a_person_is_judged_by_the_law_of_the_others():
    assert within_factor_two(outlines("a", 1.0) + outlines("b", 1.2)) == 1.0
    assert within_factor_two(outlines("a", 1.0) + outlines("b", 3.0)) == 0.0  # siblings would have moved the law


def test_outlines_without_a_mesh_do_not_count():
    refused = [OutlineError("010 L1 of c, 1.0 mm", 0.9, 0.5)]
    assert within_factor_two(outlines("a", 1.0) + outlines("b", 1.2) + refused) == 1.0

"""Whether people have vertebrae of that size: real ones, wrong voxel sizes, children, dilated masks."""

from __future__ import annotations

import numpy as np
import pytest

from app.contract.certainty import certainty
from tests.app.reports import report
from workers.results.size_section import ADULTS, size_section, size_warnings

MEASURED = {
    "T11": [(36.2, 0.860), (44.9, 0.917), (52.3, 0.979)],
    "L1": [(68.8, 1.031), (52.2, 0.983), (38.3, 0.949), (40.2, 0.943), (57.7, 0.998), (61.1, 1.003), (66.0, 1.045)],
    "L4": [(72.6, 1.044), (63.1, 1.014), (68.4, 1.061), (59.9, 0.981), (57.4, 0.997), (64.9, 1.022), (83.6, 1.116)],
}
"""Volume, cm³, and scale of real vertebrae, two of the L1 compressed."""


@pytest.mark.parametrize("level", MEASURED)
def test_real_vertebrae_are_usual(level):
    for cm3, scale in MEASURED[level]:
        assert size_warnings(size_section(level, cm3, scale, (0.5, 3.0)), level) == []
        assert not size_section("unknown", cm3, scale, None).unusual


@pytest.mark.parametrize("factor", [2 / 3, 0.6, 1.5])
@pytest.mark.parametrize("level", ADULTS)
def test_a_wrong_voxel_size_and_a_child_are_not(level, factor):
    cm3, scale = ADULTS[level]
    size = size_section(level, cm3 * factor**3, scale * factor, None)
    assert size.unusual
    assert size.stress_factor == pytest.approx(factor**-2)
    (warning,) = size_warnings(size, level)
    assert warning.startswith(f"The vertebra is {'smaller' if factor < 1 else 'larger'} than those of adults")


def test_what_the_warning_says():
    (warning,) = size_warnings(size_section("L1", 57.7 * (2 / 3) ** 3, 0.998 * 2 / 3, None), "L1")
    assert warning == (
        "The vertebra is smaller than those of adults: 17 cm³, and in adults L1 has 31 to 87 cm³. Check voxel size and "
        "outline: for the size alone the stress is 2.2 times that of an adult of mean size."
    )
    (warning,) = size_warnings(size_section("unknown", 12.0, 0.6, None), "unknown")
    assert "a vertebra from T11 to L5 has 26 to 110 cm³" in warning


def test_a_mask_beside_the_edge_of_the_bone():
    dilated, eroded = (size_section("L3", 81.0, 1.1, (mm, 1.5)) for mm in (-1.0, 1.5))
    assert (dilated.unusual, dilated.off_edge) == (False, True)
    (warning,) = size_warnings(dilated, "L3")
    assert warning.startswith(
        "The mask ends 1.0 mm outside the edge of the bone in the CT (median), so the stress is too low"
    )
    (warning,) = size_warnings(eroded, "L3")
    assert warning.startswith(
        "The mask ends 1.5 mm inside the edge of the bone in the CT (median), so the stress is too high"
    )


def test_it_stands_beside_the_level_on_every_screen():
    small = size_section("L1", 17.1, 0.665, (-2.0, 3.0))
    lines = dict(certainty(report(size=small).model_dump(mode="json")))
    assert lines["size"].startswith("UNUSUAL, OFF THE EDGE OF THE BONE, 17 cm³; adults 31 to 87 cm³")
    usual = size_section("L1", 57.7, 0.998, (0.0, 3.0))
    lines = dict(certainty(report(size=usual).model_dump(mode="json")))
    assert lines["size"] == "58 cm³; adults 31 to 87 cm³"
    assert np.isfinite(usual.stress_factor)

"""Each warning by hand: when it is given, and what it says."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from workers.results.report_warnings import (
    report_warnings,
    warn_of_coarse_voxels,
    warn_of_loose_fit,
    warn_of_other_template,
    warn_of_turned_vertebra,
    warn_of_unusual_shape,
)


def turned(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


@pytest.mark.parametrize(
    ("quiet", "warning", "words"),
    [
        (
            warn_of_loose_fit(np.array([0.0, 1.0])),
            warn_of_loose_fit(np.array([0.5, 1.0])),
            "The mesh lies 0.75 mm from the mask's surface",
        ),
        (warn_of_turned_vertebra(turned(59)), warn_of_turned_vertebra(turned(-90)), "turned by 90°"),
        (
            warn_of_coarse_voxels("CT", np.array([1, 1, 2.5])),
            warn_of_coarse_voxels("CT", np.array([1, 1, 3.0])),
            "The CT's voxels measure up to 3.0 mm",
        ),
        (
            warn_of_unusual_shape(np.full((600, 3), 1.0)),
            warn_of_unusual_shape(np.full((600, 3), -1.1)),
            "unusual: 1.1 standard deviations",
        ),
        (warn_of_other_template("L1"), warn_of_other_template("L3"), "The template is an L1; L3 was fitted with it."),
    ],
    ids=["fit", "turn", "voxels", "shape", "template"],
)
def test_a_warning_says_what_is_beyond_its_limit(quiet, warning, words):
    assert quiet is None
    assert words in warning


def test_all_warnings_of_a_job_in_order():
    pose = SimpleNamespace(rotation=turned(90))
    fit = SimpleNamespace(pose=pose, coefficients=np.full((600, 3), 2.0))
    mesh = SimpleNamespace(distance_mm=np.ones(2), fit=fit)
    vertebra = SimpleNamespace(label=29, spacing=np.full(3, 3.0))
    warnings = report_warnings(mesh, vertebra, "L2")
    starts = ("The mesh lies", "The vertebra lies turned", "The mask's voxels", "The shape", "The template")
    assert all(warning.startswith(start) for warning, start in zip(warnings, starts, strict=True))
    fine_ct = SimpleNamespace(spacing=np.ones(3))  # of a segmentation the CT's voxels count, not the mask's
    assert not any("voxels" in warning for warning in report_warnings(mesh, vertebra, "L2", fine_ct))

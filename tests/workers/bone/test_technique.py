"""Tube voltage, kernel and contrast agent of the headers: what the density makes of them, and what is named."""

from __future__ import annotations

import numpy as np
import pytest

from app.contract.bone import InternalCalibration, NoCalibration, PhantomCalibration
from app.contract.dicom_series import DicomInput, DicomSeries
from app.contract.params import JobParams
from tests.workers.bone.painted_body import painted_body
from tests.workers.bone.test_internal import references
from workers.bone.calibration import Calibration
from workers.bone.calibration_warnings import calibration_warnings
from workers.bone.technique import Technique
from workers.bone.technique_warnings import technique_warnings
from workers.bone_stage import find_bone
from workers.results.calibration_section import calibration_section
from workers.stage_clock import StageClock

NONE, INTERNAL = NoCalibration(kind="none"), InternalCalibration(kind="internal")


def series(**changes):
    about = DicomSeries(
        id="0" * 16,
        modality="CT",
        orientation="axial",
        slices=60,
        spacing_mm=1.0,
        kernel=changes.pop("kernel", "B30f"),
        left_out=None,
    )
    return DicomInput(
        series=about,
        reason="the only CT series",
        others=[],
        files_left_out=0,
        transfer_syntax="uncompressed",
        lossy=False,
        gantry_tilt_deg=0.0,
        repeated_slices=0,
        resampled_to_mm=None,
        **changes,
    )


@pytest.mark.parametrize(
    ("tube_kv", "slope"), [(None, 0.743), (80.0, 0.545), (100.0, 0.656), (120.0, 0.743), (140.0, 0.820), (135.0, 0.800)]
)
def test_the_default_is_that_of_the_tube_voltage(tube_kv, slope):
    calibration = Calibration.of(NONE, {}, Technique(tube_kv))
    assert calibration.slope == pytest.approx(slope, abs=0.003)
    assert not calibration.calibrated


def test_the_warning_says_which_voltage_the_default_is_of():
    of_header, presumed = (
        calibration_warnings(Calibration.of(NONE, {}, technique), {})[0] for technique in (Technique(80.0), Technique())
    )
    assert of_header.startswith("UNCALIBRATED")
    assert "80 kV" in of_header
    assert presumed.startswith("UNCALIBRATED")
    assert "tube voltage is not known" in presumed
    assert "120 kV" in presumed


def test_a_known_voltage_tells_the_effective_energy_more_than_a_persons_fat():
    """At 80 kV fat has -120 HU on average; somebody's has -112."""
    found = references(adipose=-112.0)
    known, unknown = (Calibration.of(INTERNAL, found, Technique(tube_kv)).internal for tube_kv in (80.0, None))
    assert 56.6 < known.effective_kev < 59.5
    assert 61.0 < unknown.effective_kev < 64.0


@pytest.mark.parametrize(
    ("adipose", "tube_kv", "named"),
    [(-120.0, 120.0, True), (-104.0, 80.0, True), (-104.0, 120.0, False), (-109.0, 120.0, False), (-120.0, None, 0)],
)
def test_fat_that_contradicts_the_tube_voltage_is_named(adipose, tube_kv, named):
    """The fat of the CTs at hand has -100 to -109 HU."""
    technique, found = Technique(tube_kv), references(adipose=adipose)
    for asked in (INTERNAL, NONE):
        warnings = technique_warnings(Calibration.of(asked, found, technique), found)
        assert any("contradict" in warning and f"{tube_kv:g} kV" in warning for warning in warnings) is bool(named)


@pytest.mark.parametrize(
    ("blood", "counts"),
    [(42.0, False), (75.0, True), (180.0, True), (None, True)],
    ids=["plain", "late", "much", "none"],
)
def test_an_agent_that_the_header_names_is_named_however_the_blood_looks(blood, counts):
    found, technique = references(blood=blood), Technique(120.0, contrast_agent=True)
    calibration = Calibration.of(INTERNAL, found, technique)
    assert calibration.contrast_agent is counts
    assert ("blood" in calibration.internal.used) is (not counts and blood is not None)
    warnings = calibration_warnings(calibration, found) + technique_warnings(calibration, found)
    assert sum("contrast agent" in warning for warning in warnings) == 1
    assert not Calibration.of(INTERNAL, references(blood=75.0)).contrast_agent


def test_a_kernel_that_enhances_edges_is_named():
    sharp, smooth = (
        technique_warnings(Calibration.of(NONE, {}, Technique(sharp_kernel=kernel)), {}) for kernel in ("B70f", None)
    )
    assert any("B70f" in warning for warning in sharp)
    assert smooth == []


@pytest.mark.parametrize(
    ("slope", "intercept", "measure", "named"),
    [
        (0.8, -5.0, "k2hpo4", False),
        (0.95, 3.0, "hydroxyapatite", False),
        (0.45, 0.0, "k2hpo4", False),
        (1.35, 0.0, "k2hpo4", True),
        (5.0, 0.8, "k2hpo4", True),
        (0.0008, -0.005, "k2hpo4", True),
        (0.8, 300.0, "k2hpo4", True),
    ],
    ids=["usual", "of HA", "70 kV", "HU a mg", "swapped", "g/cm3", "far from 0"],
)
def test_a_phantoms_line_that_no_ct_has_is_named(slope, intercept, measure, named):
    asked = PhantomCalibration(kind="phantom", slope=slope, intercept=intercept, measure=measure)
    warnings = technique_warnings(Calibration.of(asked, {}), {})
    assert any("phantom" in warning for warning in warnings) is named


@pytest.mark.parametrize(("tube_kv", "named"), [(None, False), (120.0, False), (100.0, False), (80.0, True)])
def test_a_phantom_of_another_protocol_is_named(tube_kv, named):
    asked = PhantomCalibration(kind="phantom", slope=0.75, intercept=-2.0)
    warnings = technique_warnings(Calibration.of(asked, {}, Technique(tube_kv)), {})
    assert any("phantom" in warning and "80 kV" in warning for warning in warnings) is named


def test_the_headers_of_a_dicom_series_reach_density_and_report(engine):
    torso = painted_body(engine)
    asked = JobParams.model_validate({"material": "density", "calibration": {"kind": "none"}})
    clock = StageClock(lambda *_: None)
    dicom = series(tube_voltage_kv=80.0, contrast_agent=True, kernel="Hr60f")
    bone = find_bone(engine.template.nodes, torso, asked, clock, dicom)
    section = calibration_section(bone.elements.calibration, bone.trabecular)
    assert (section.tube_voltage_kv, section.expected_energy_kev) == (80.0, pytest.approx(56.6))
    assert section.slope == pytest.approx(0.545, abs=0.003)
    for word in ("UNCALIBRATED", "80 kV", "contrast agent", "Hr60f"):
        assert any(word in warning for warning in bone.warnings), word
    nifti = find_bone(engine.template.nodes, torso, asked, clock)
    assert calibration_section(nifti.elements.calibration, nifti.trabecular).tube_voltage_kv is None
    ratio = np.median(bone.elements.density / nifti.elements.density)
    assert ratio == pytest.approx(0.545 / 0.743, abs=0.01)

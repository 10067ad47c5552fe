"""Tube voltage, kernel and contrast agent of the headers: what the density makes of them, and what is named."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from app.contract.bone import InternalCalibration, NoCalibration, PhantomCalibration
from app.contract.params import JobParams
from tests.workers.bone.painted_body import painted_body
from tests.workers.bone.test_internal import references
from tests.workers.dicom.dicom_files import series, turned, zipped
from tests.workers.template_vertebra import template_vertebra
from workers.bone.calibration import Calibration
from workers.bone.calibration_warnings import calibration_warnings
from workers.bone.technique import Technique
from workers.bone.technique_warnings import technique_warnings
from workers.pipeline import run_pipeline

NONE, INTERNAL = NoCalibration(kind="none"), InternalCalibration(kind="internal")


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


def test_the_headers_of_a_dicom_study_reach_density_and_report(engine, tmp_path):
    hu, affine = turned(painted_body(engine), "LPS")
    images = series(hu, affine, KVP="80", ContrastBolusAgent="Ultravist 370", ConvolutionKernel="Hr60f")
    mask = template_vertebra(2.0)
    nib.save(nib.Nifti1Image(mask.voxels.astype(np.uint8), mask.affine), tmp_path / "mask.nii")
    asked = {"vertebra": "L1", "material": "density", "calibration": {"kind": "none"}, "results": ["report.json"]}
    upload = zipped(tmp_path / "ct.zip", images)
    run_pipeline(upload, tmp_path / "mask.nii", JobParams.model_validate(asked), tmp_path, lambda *_: None)
    text = (tmp_path / "report.json").read_text()
    report = json.loads(text)
    assert (report["dicom"]["tube_voltage_kv"], report["dicom"]["contrast_agent"]) == (80.0, True)
    used = report["bone"]["calibration"]
    assert (used["tube_voltage_kv"], used["expected_energy_kev"]) == (80.0, pytest.approx(56.6))
    assert used["slope"] == pytest.approx(0.546, abs=0.002)
    for word in ("UNCALIBRATED", "80 kV", "contrast agent", "Hr60f"):
        assert any(word in warning for warning in report["warnings"]), word
    assert "Ultravist" not in text

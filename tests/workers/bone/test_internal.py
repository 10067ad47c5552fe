"""Calibration with the tissues of the scan: a published run reproduced, tube voltages, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from app.contract.bone import InternalCalibration, NoCalibration
from app.contract.errors import CalibrationImpossible
from workers.bone.attenuation import adipose_hounsfield, k2hpo4_slope, mass_attenuation
from workers.bone.calibration import Calibration
from workers.bone.calibration_warnings import NO_AIR, READS_HIGH, calibration_warnings
from workers.bone.internal import CORTICAL_HU, InternalFit, effective_energy, fit_internal, fit_michalski
from workers.bone.references import Reference

PUBLISHED = {
    "adipose": -82.579,
    "air": -956.834,
    "blood": 39.249,
    "cortical_bone": 1226.214,
    "muscle": 24.561,
}
"""HU of sub-verse004_0000.txt (Bonelab/spineFE-benchmark): its fit gave 97 keV, R² 0.998965, a density of 0.000893 HU +
0.968731 g/cm³."""


def references(**hounsfield):
    usual = {"air": -998.0, "adipose": -104.0, "muscle": 45.0, "blood": 42.0} | hounsfield
    return {tissue: Reference(value, 10.0, 50.0) for tissue, value in usual.items() if value is not None}


def test_the_published_calibration_of_verse004():
    kev, r2, attenuation, mass_density = fit_michalski(PUBLISHED, np.arange(40.0, 150.5, 0.5))
    assert kev == 97.0
    assert r2 == pytest.approx(0.998965, abs=1e-6)
    assert attenuation == pytest.approx((1.61e-5, 0.171240), rel=5e-4)
    assert mass_density == pytest.approx((0.000893, 0.968731), rel=5e-4)
    fit = InternalFit("michalski_2020", {}, (), 70.0, kev, r2, attenuation, mass_density)
    np.testing.assert_allclose(fit.density(np.array([0.0, 67.2, 150.0])), [36.7, 70.7, 117.6], atol=0.3)
    finer = fit_michalski(PUBLISHED)
    assert finer[0] == pytest.approx(97.2)
    assert r2 < finer[1] < r2 + 5e-5


def test_the_density_does_not_jump_with_the_hounsfield_units_of_fat():
    """With the published steps of 0.5 keV it does, by 2 mg/cm³ of 86."""
    hounsfield = np.linspace(-106.0, -100.0, 25)
    densities = [
        float(fit_internal(references(adipose=fat), "michalski_2020").density(np.array(100.0))) for fat in hounsfield
    ]
    assert np.abs(np.diff(densities)).max() < 0.7


def test_hounsfield_of_k2hpo4_and_fat_at_known_energies():
    """As xraylib 4.3 computes them from the compositions, at energies that are none of the table's."""
    assert k2hpo4_slope(70.0) == pytest.approx(0.7427, abs=0.0005)
    assert k2hpo4_slope(55.0) == pytest.approx(0.5221, abs=0.0005)
    np.testing.assert_allclose(adipose_hounsfield(np.array([55.0, 70.0])), [-123.3, -98.4], atol=0.3)
    assert effective_energy(-98.4) == pytest.approx(70.0, abs=0.5)
    assert effective_energy(-126.0) < 61.0 < 65.0 < effective_energy(-104.0) < 68.0


@pytest.mark.parametrize(
    ("material", "expected"),
    [
        ("k2hpo4", (0.7043, 0.3015, 0.1702)),
        ("cortical_bone", (0.5189, 0.2570, 0.1656)),
        ("water", (0.2436, 0.1929, 0.1614)),
        ("subcutaneous", (0.2209, 0.1870, 0.1603)),
    ],
)
def test_attenuation_between_the_energies_of_the_table(material, expected):
    """At 45, 70 and 120 keV xraylib 4.3 has these, cm^2/g."""
    np.testing.assert_allclose(mass_attenuation(material, np.array([45.0, 70.0, 120.0])), expected, rtol=1e-3)


@pytest.mark.parametrize("method", ["michalski_2020", "water_line"])
def test_bone_has_about_one_density_whatever_the_tube_voltage(method):
    """120 mg/cm³ of K2HPO4 in water, seen at effective energies of 80 to 140 kVp: raw HU differ by half."""
    densities, raw = [], []
    for kev in (57.0, 63.0, 70.0, 75.0):
        hounsfield = 120.0 / k2hpo4_slope(kev)
        fit = fit_internal(references(adipose=float(adipose_hounsfield(kev))), method)
        densities.append(float(fit.density(np.array(hounsfield))))
        raw.append(hounsfield)
    assert max(raw) > 1.4 * min(raw)
    assert max(densities) < 1.2 * min(densities)
    assert np.mean(densities) == pytest.approx(124.0, abs=8.0)


def test_precision_is_kept_and_the_line_of_the_report_is_the_mean_slope():
    asked = InternalCalibration(kind="internal")
    calibration = Calibration.of(asked, references())
    assert calibration.density(np.zeros(3, np.float32)).dtype == np.float32
    line = calibration.slope * np.array([0.0, 200.0]) + calibration.intercept
    np.testing.assert_allclose(calibration.density(np.array([0.0, 200.0])), line)
    assert (np.diff(calibration.density(np.linspace(-150.0, 3000.0, 500))) > 0.0).all()
    assert calibration.calibrated
    assert calibration.measure == "k2hpo4"
    assert pytest.approx(PUBLISHED["cortical_bone"], abs=1.0) == CORTICAL_HU


def test_a_contrast_agent_is_named_and_its_blood_is_not_fitted():
    plain, with_agent = (
        Calibration.of(InternalCalibration(kind="internal"), references(blood=blood)) for blood in (None, 180.0)
    )
    assert with_agent.slope == plain.slope
    assert "blood" not in with_agent.internal.used
    named = calibration_warnings(with_agent, references(blood=180.0))
    assert any("contrast agent" in warning and "180 HU" in warning for warning in named)
    assert READS_HIGH in named
    assert with_agent.contrast_agent
    assert not plain.contrast_agent
    assert Calibration.of(NoCalibration(kind="none"), references(blood=180.0)).contrast_agent
    without = calibration_warnings(plain, references(blood=None))
    assert not any("contrast" in warning for warning in without if warning != READS_HIGH)
    assert NO_AIR in calibration_warnings(plain, references(air=None))


@pytest.mark.parametrize(
    ("found", "got"),
    [
        ({"adipose": None}, "no adipose"),
        ({"muscle": None, "adipose": None}, "no adipose and no muscle"),
        ({"adipose": -40.0}, "-40 HU"),
        ({"muscle": -30.0}, "-30 HU"),
        ({"air": -900.0}, "-900 HU"),
        ({"air": -1100.0}, "-1100 HU"),
        ({"muscle": 150.0}, "150 HU"),
    ],
)
def test_what_is_missing_or_contradicts_is_refused(found, got):
    with pytest.raises(CalibrationImpossible) as caught:
        fit_internal(references(**found), "michalski_2020")
    assert got in caught.value.got

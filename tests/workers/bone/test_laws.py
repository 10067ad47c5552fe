"""Density measures, laws and calibrations: published numbers, and what must not be confused."""

from __future__ import annotations

import numpy as np
import pytest

from app.contract.bone import NoCalibration, PhantomCalibration
from workers.bone.calibration import Calibration
from workers.bone.elements import ElementBone
from workers.bone.laws import CEILING_MPA, FLOOR_MPA, LAWS, young_modulus
from workers.bone.measures import convert
from workers.bone.strength import yield_stress


@pytest.mark.parametrize(
    ("law", "young"),
    [
        ("kopperdahl_2002", 265.59),  # 2980 * 0.1^1.05
        ("crawford_2003", 288.3),  # 3230 * 0.1 - 34.7
        ("morgan_2003", 518.17),  # 4730 * (0.1449 / 0.598)^1.56
        ("keyak_2003", 483.67),  # 33900 * 0.1449^2.2
    ],
)
def test_each_law_at_100_mg_of_k2hpo4(law, young):
    assert float(young_modulus(law, np.array([100.0]))[0]) == pytest.approx(young, rel=1e-4)


def test_the_published_model_has_the_same_moduli_and_yield_stresses():
    """Two rows of the material table that the benchmark of verse004 prints."""
    density = np.array([502.6, 1599.9])
    np.testing.assert_allclose(young_modulus("kopperdahl_2002", density), [1447.13, 4881.03], rtol=2e-4)
    np.testing.assert_allclose(yield_stress(density), [14.374, 71.872], rtol=2e-4)


@pytest.mark.parametrize("law", LAWS)
def test_more_mineral_is_stiffer_between_floor_and_ceiling(law):
    young = young_modulus(law, np.linspace(-500.0, 4000.0, 400))
    assert young.min() == FLOOR_MPA
    assert young.max() <= CEILING_MPA
    assert (np.diff(young) >= 0.0).all()
    assert (young[np.linspace(-500.0, 4000.0, 400) <= 0.0] == FLOOR_MPA).all()


def test_the_salts_are_not_confused():
    hydroxyapatite = convert(np.array([0.1]), "hydroxyapatite", "k2hpo4")
    assert float(hydroxyapatite[0]) == pytest.approx(0.084)
    assert float(convert(np.array([0.0]), "hydroxyapatite", "k2hpo4")[0]) == 0.0
    assert float(convert(hydroxyapatite, "k2hpo4", "hydroxyapatite")[0]) == pytest.approx(0.1)
    salts = [
        Calibration.of(PhantomCalibration(kind="phantom", slope=0.8, intercept=-5.0, measure=measure), {})
        for measure in ("k2hpo4", "hydroxyapatite")
    ]
    k2hpo4, other = (float(salt.density(np.array([150.0]))[0]) for salt in salts)
    assert k2hpo4 == pytest.approx(115.0)
    assert other == pytest.approx(0.84 * 115.0)


def test_without_a_calibration_it_says_so():
    assert not Calibration.of(NoCalibration(kind="none"), {}).calibrated
    assert Calibration.of(PhantomCalibration(kind="phantom", slope=0.8, intercept=0.0), {}).calibrated


def test_the_modulus_of_an_element_is_the_mean_over_its_points():
    """Not the modulus of the mean density: that is what four points a tetrahedron are for."""
    hounsfield = np.array([[0.0, 0.0, 1000.0, 1000.0], [500.0] * 4], np.float32)
    bone = ElementBone.of(hounsfield, Calibration(1.0, 0.0), "keyak_2003")
    np.testing.assert_allclose(bone.density, [500.0, 500.0])
    dense = float(young_modulus("keyak_2003", np.array([1000.0]))[0])
    np.testing.assert_allclose(bone.young_mpa[0], (FLOOR_MPA + dense) / 2.0, rtol=1e-5)
    assert bone.young_mpa[0] > 1.5 * bone.young_mpa[1]

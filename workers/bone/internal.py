"""Calibration with the tissues of the scan itself: the effective energy, and density from HU.

Two ways lead from HU to K2HPO4:

``michalski_2020``
    Michalski et al., Med Eng Phys 78, 2020: the energy is sought at which the mass attenuation of the references is
    most nearly linear in their HU. Two lines, of mass attenuation and of mass density against HU, then give each voxel
    as a mixture of K2HPO4 and fat. Coefficients are interpolated as their program does, so that densities compare with
    the published table.
``water_line``
    HU rise with K2HPO4 in water as its attenuation at the effective energy says, from 0 HU: what a phantom shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from app.contract.bone import InternalMethod
from app.contract.errors import CalibrationImpossible
from models.types import Floats, Reals
from workers.bone.attenuation import adipose_hounsfield, k2hpo4_slope, published_attenuation
from workers.bone.references import CONTRAST_HU, Reference, References, Tissue
from workers.bone.technique import UNKNOWN, Technique

ADIPOSE_SD_HU = 6.0
"""By how much the fat of people differs, and the zero of scanners: the CTs at hand have -100 to -109 HU."""
LEAST_KEV, MOST_KEV = 50.0, 85.0
"""Beyond these no scanner with 70 to 150 kV is."""
CORTICAL_HU, CORTICAL_KEV = 1226.0, 70.0
"""Cortical bone, and at which energy: what the published run of verse004 measured in the densest voxels. A shell of
0.4 mm is thinner than a voxel, so CTs of 1 to 5 mm show anything from 300 to 1500 HU; this nominal value, scaled to the
effective energy, stands in for it."""
LEAST_R2 = 0.99
"""Of the fit of Michalski et al.; the CTs at hand have 0.996 and more."""
PLAUSIBLE_HU: Mapping[Tissue, tuple[float, float]] = {
    "air": (-1040.0, -940.0),
    "adipose": (-140.0, -80.0),
    "muscle": (0.0, 100.0),
    "blood": (15.0, CONTRAST_HU),
}
"""Without contrast agent; muscle with fat in it too. The air of the published run of verse004 has -957."""
LATE_BLOOD_HU = 60.0
"""Where the header names a contrast agent, denser blood has some of it; plain blood has 31 to 46 in the CTs at hand."""
ENERGIES = np.linspace(40.0, 150.0, 1101)
"""The published program takes every fifth: from one to the next of those the density jumps by up to 2 %."""
NEEDED: tuple[Tissue, ...] = ("adipose", "muscle")


@dataclass(frozen=True)
class InternalFit:
    """What the tissues of a scan say.

    Attributes
    ----------
    method
        Which of the two ways is followed.
    references
        All that were found.
    used
        Those that were fitted: blood with contrast agent is not.
    effective_kev
        From the HU of fat, drawn towards that of the tube voltage as far as fat differs between people.
    fit_kev, r2
        Energy of the best line of Michalski et al., and its coefficient of determination. This energy is no physical
        one: it is high because the HU of cortical bone are those of a thin shell.
    attenuation, mass_density
        Slope and intercept, cm^2/g and g/cm^3, against HU.
    """

    method: InternalMethod
    references: References
    used: tuple[Tissue, ...]
    effective_kev: float
    fit_kev: float
    r2: float
    attenuation: tuple[float, float]
    mass_density: tuple[float, float]

    def density(self, hounsfield: Reals) -> Reals:
        """Return the density (...), mg/cm^3 of K2HPO4, of intensities (...), HU, in their precision."""
        if self.method == "water_line":
            return k2hpo4_slope(self.effective_kev) * hounsfield
        fat, salt = (float(published_attenuation(name, self.fit_kev)) for name in ("triglyceride", "k2hpo4"))
        per_gram = self.attenuation[0] * hounsfield + self.attenuation[1]
        grams = np.maximum(self.mass_density[0] * hounsfield + self.mass_density[1], 0.0)
        return grams * (per_gram - fat) * (1000.0 / (salt - fat))


def fit_internal(references: References, method: InternalMethod, technique: Technique = UNKNOWN) -> InternalFit:
    """Return what the tissues of a scan that was made like that say, and the way that leads from its HU to density.

    Raises
    ------
    CalibrationImpossible
        Fat or muscle is not in view, a tissue has HU that it cannot have, or they contradict each other.
    """
    missing = [tissue for tissue in NEEDED if tissue not in references]
    if missing:
        raise _impossible(
            "subcutaneous fat and paraspinal muscle around the vertebra", f"no {' and no '.join(missing)}"
        )
    for tissue, reference in references.items():
        if tissue != "blood" and not plausible(tissue, reference):
            low, high = PLAUSIBLE_HU[tissue]
            raise _impossible(f"{tissue} of {low:g} to {high:g} HU", f"{reference.hounsfield:.0f} HU")
    used: tuple[Tissue, ...] = tuple(
        tissue
        for tissue in references
        if tissue != "blood" or not enhanced(references[tissue], technique.contrast_agent)
    )
    kev = effective_energy(references["adipose"].hounsfield, technique)
    measured: dict[str, float] = {"air": -1000.0, **{str(tissue): references[tissue].hounsfield for tissue in used}}
    measured["cortical_bone"] = CORTICAL_HU * k2hpo4_slope(CORTICAL_KEV) / k2hpo4_slope(kev)
    fit = InternalFit(method, references, used, kev, *fit_michalski(measured))
    if fit.r2 < LEAST_R2:
        raise _impossible(f"attenuation that is linear in HU, R² {LEAST_R2:g} and more", f"R² {fit.r2:.4f}")
    return fit


def plausible(tissue: Tissue, reference: Reference) -> bool:
    """Whether a tissue has HU that it can have without contrast agent."""
    low, high = PLAUSIBLE_HU[tissue]
    return low <= reference.hounsfield <= high


def enhanced(blood: Reference, named: bool = False) -> bool:
    """Whether blood has contrast agent, which the header of the scan may have named."""
    return blood.hounsfield > (LATE_BLOOD_HU if named else CONTRAST_HU)


def effective_energy(adipose: float, technique: Technique = UNKNOWN) -> float:
    """Return the most likely effective energy, keV, of a scan that was made like that, and whose fat has these HU."""
    energies = ENERGIES[(ENERGIES >= LEAST_KEV) & (ENERGIES <= MOST_KEV)]
    misfit = np.square((adipose - adipose_hounsfield(energies)) / ADIPOSE_SD_HU)
    unexpected = np.square((energies - technique.expected_kev) / technique.spread_kev)
    return float(energies[np.argmin(misfit + unexpected)])


def fit_michalski(
    measured: Mapping[str, float], energies: Floats = ENERGIES
) -> tuple[float, float, tuple[float, float], tuple[float, float]]:
    """Return energy, keV, R², and the lines of mass attenuation and mass density against HU (Michalski et al. 2020).

    Parameters
    ----------
    measured
        HU of materials of `workers.bone.attenuation.MASS_ATTENUATION`, at least three.
    energies
        (k,) keV, among which the best is sought.
    """
    hounsfield = np.array(list(measured.values()))
    coefficients = np.stack([published_attenuation(name, energies) for name in measured])
    x, y = hounsfield - hounsfield.mean(), coefficients - coefficients.mean(axis=0)
    r2 = np.square(x @ y) / ((x @ x) * np.square(y).sum(axis=0))
    best = int(r2.argmax())
    slope, intercept = np.polyfit(hounsfield, coefficients[:, best], 1)
    linear = (hounsfield / 1000.0 + 1.0) * float(published_attenuation("water", energies[best]))
    mass_slope, mass_intercept = np.polyfit(hounsfield, linear / coefficients[:, best], 1)
    lines = ((float(slope), float(intercept)), (float(mass_slope), float(mass_intercept)))
    return float(energies[best]), float(r2[best]), *lines


def _impossible(expected: str, got: str) -> CalibrationImpossible:
    return CalibrationImpossible(
        "The tissues of this scan do not calibrate it. Send the whole CT with its Hounsfield units, or "
        '`"calibration": {"kind": "phantom", …}`, or `{"kind": "none"}`, which marks the results as uncalibrated.',
        expected=expected,
        got=got,
    )

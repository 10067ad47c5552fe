"""How strongly materials attenuate X-rays, and what follows: effective energy, and HU of K2HPO4 in water.

Mass attenuation coefficients are those of NIST: the tables of Hubbell & Seltzer (NISTIR 5632) for tissues of ICRU-44,
XCOM for the salts and the fat. They were recomputed from the compositions with the tables of Elam, Ravel & Sieber
(Radiat Phys Chem 63, 2002) and with xraylib: no value differs by more than the last digit. Between these energies a
cubic spline of their logarithms is within 0.06 % of what xraylib computes from 40 to 150 keV.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.interpolate import CubicSpline

from models.types import Floats, Reals

ENERGY_KEV = np.array([40.0, 50.0, 60.0, 80.0, 100.0, 150.0])
MASS_ATTENUATION: Mapping[str, Floats] = {
    name: np.array(values)
    for name, values in {
        "air": (0.2485, 0.2080, 0.1875, 0.1662, 0.1541, 0.1356),
        "adipose": (0.2396, 0.2123, 0.1974, 0.1800, 0.1688, 0.1500),
        "subcutaneous": (0.2357, 0.2105, 0.1964, 0.1798, 0.1688, 0.1501),
        "muscle": (0.2685, 0.2262, 0.2048, 0.1823, 0.1693, 0.1492),
        "blood": (0.2715, 0.2278, 0.2057, 0.1827, 0.1695, 0.1492),
        "cortical_bone": (0.6655, 0.4242, 0.3148, 0.2229, 0.1855, 0.1480),
        "water": (0.2683, 0.2269, 0.2059, 0.1837, 0.1707, 0.1505),
        "triglyceride": (0.2293, 0.2072, 0.1945, 0.1789, 0.1683, 0.1499),
        "k2hpo4": (0.9327, 0.5573, 0.3890, 0.2508, 0.1972, 0.1480),
    }.items()
}
"""cm^2/g at `ENERGY_KEV`. Triglyceride is C55H98O6. `subcutaneous` is adipose tissue 3 of Woodard & White (Br J
Radiol 59, 1986; ICRU-46), with which subcutaneous fat of adults has the HU that CTs show."""
LOGARITHM: Mapping[str, CubicSpline] = {
    name: CubicSpline(np.log(ENERGY_KEV), np.log(values)) for name, values in MASS_ATTENUATION.items()
}
"""Of the coefficients, against the logarithm of the energy."""
ADIPOSE_G_CM3 = 0.93
"""Density of that adipose tissue."""
DISPLACED = 0.217
"""Water that 1 g of dissolved K2HPO4 displaces, g (Mindways QCT PRO)."""


def mass_attenuation(material: str, kev: Reals | float) -> Floats:
    """Return the coefficient, cm^2/g, of a material at energies (...), keV, from the first to the last of the table."""
    return np.asarray(np.exp(LOGARITHM[material](np.log(kev))))


def published_attenuation(material: str, kev: Reals | float) -> Floats:
    """Return the coefficient as the program of Michalski et al. interpolates it: linearly, 2 % more at 90 keV."""
    return np.asarray(np.interp(kev, ENERGY_KEV, MASS_ATTENUATION[material]))


def adipose_hounsfield(kev: Reals | float) -> Floats:
    """Return the HU of subcutaneous fat at effective energies (...), keV: -123 at 55 keV, -99 at 70 keV."""
    ratio = mass_attenuation("subcutaneous", kev) / mass_attenuation("water", kev)
    return 1000.0 * (ADIPOSE_G_CM3 * ratio - 1.0)


def k2hpo4_slope(kev: float) -> float:
    """Return mg/cm^3 of K2HPO4 in water a HU at an effective energy, keV: 0.743 at 70 keV."""
    relative = float(mass_attenuation("k2hpo4", kev) / mass_attenuation("water", kev))
    return 1.0 / (relative - DISPLACED)

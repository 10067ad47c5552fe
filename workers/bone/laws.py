"""How stiff bone of a density is: published laws by name, each with its measure, its range and its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from app.contract.bone import DensityLaw
from models.types import Reals
from workers.bone.measures import Measure, convert

FLOOR_MPA = 10.0
"""Young's modulus of marrow, fat and noise: no element is softer. On a real L2 a floor of 1 MPa instead changes the
stiffness by 0.02 %."""
CEILING_MPA = 20_000.0
"""Young's modulus of dense cortical bone along its axis (Reilly & Burstein, J Biomech 8(6), 1975: 17 GPa): no element
is stiffer, whatever metal or cement the CT shows."""


@dataclass(frozen=True)
class Law:
    """A law E(density).

    Attributes
    ----------
    measure
        What density the law is of.
    young_mpa
        Young's modulus (...), MPa, of densities (...), g/cm^3, all positive.
    valid_g_cm3
        Least and largest density that it was measured on.
    citation
        Where it was published.
    """

    measure: Measure
    young_mpa: Callable[[Reals], Reals]
    valid_g_cm3: tuple[float, float]
    citation: str


def _keyak(ash: Reals) -> Reals:
    """Return the moduli of trabecular bone, of what lies between, and of cortical bone, MPa."""
    return np.where(ash <= 0.27, 33_900.0 * ash**2.20, np.where(ash < 0.60, 5307.0 * ash + 469.0, 10_200.0 * ash**2.01))


LAWS: Mapping[DensityLaw, Law] = {
    "kopperdahl_2002": Law(
        "k2hpo4",
        lambda density: 2980.0 * density**1.05,
        (0.05, 0.30),
        "Kopperdahl, Morgan & Keaveny, J Orthop Res 20(4), 2002: E = 2980 rho^1.05, human vertebrae, along the axis",
    ),
    "crawford_2003": Law(
        "k2hpo4",
        lambda density: 3230.0 * density - 34.7,
        (0.05, 0.30),
        "Kopperdahl et al. 2002, their line, as used by Crawford et al., Bone 33(4), 2003: E = 3230 rho - 34.7, human "
        "vertebrae, along the axis",
    ),
    "morgan_2003": Law(
        "apparent",
        lambda density: 4730.0 * density**1.56,
        (0.11, 0.35),
        "Morgan, Bayraktar & Keaveny, J Biomech 36(7), 2003: E = 4730 rho^1.56, human vertebrae, along the axis; "
        "apparent density by way of equine ash, about twice as stiff as the others in vertebrae",
    ),
    "keyak_2003": Law(
        "ash",
        _keyak,
        (0.09, 1.22),
        "Keyak & Falkinstein, Med Eng Phys 25(9), 2003, after Keyak et al. 1994 and Keller 1994: three ranges of ash "
        "density, cortical bone too; by way of equine ash, about twice as stiff as the others in vertebrae",
    ),
}


def young_modulus(law: DensityLaw, density: Reals) -> Reals:
    """Return Young's moduli (...), MPa, within `FLOOR_MPA` and `CEILING_MPA`.

    Parameters
    ----------
    law
        Its name.
    density
        (...) float32 or float64, mg/cm^3 of K2HPO4. What is not positive gets the floor.

    Returns
    -------
    As many of the same precision.
    """
    chosen = LAWS[law]
    grams = convert(np.maximum(density, 0.0) / density.dtype.type(1000.0), "k2hpo4", chosen.measure)
    young = np.clip(chosen.young_mpa(grams), FLOOR_MPA, CEILING_MPA)
    young[density <= 0.0] = FLOOR_MPA
    return young

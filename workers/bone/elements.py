"""The bone of each element of a subject's mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.contract.bone import DensityLaw
from models.types import Reals, Singles
from workers.bone.calibration import Calibration
from workers.bone.laws import young_modulus
from workers.fem.material import Material


@dataclass(frozen=True)
class ElementBone:
    """Density and stiffness of m elements.

    Attributes
    ----------
    density
        (m,) float64, mg/cm^3 of K2HPO4: the mean of four points.
    material
        For the solver: the mean of the points' moduli, which is what a stiffness matrix integrates.
    law
        From density to modulus.
    calibration
        From HU to density.
    """

    density: Reals
    material: Material
    law: DensityLaw
    calibration: Calibration

    @classmethod
    def of(cls, hounsfield: Singles, calibration: Calibration, law: DensityLaw) -> ElementBone:
        """Return the bone of elements whose CT is known at four points each, (m, 4) float32, HU."""
        density = calibration.density(hounsfield)
        young = young_modulus(law, density).mean(axis=1, dtype=np.float64)
        return cls(density.mean(axis=1, dtype=np.float64), Material.of_elements(young), law, calibration)

    @property
    def young_mpa(self) -> Reals:
        """(m,) float64, MPa."""
        assert self.material.grade is not None
        return self.material.young_mpa * self.material.grade

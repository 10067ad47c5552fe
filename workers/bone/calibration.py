"""From Hounsfield units to bone density."""

from __future__ import annotations

from dataclasses import dataclass

from app.contract.bone import NoCalibration, PhantomCalibration
from models.types import Reals
from workers.bone.measures import Measure, convert

DEFAULT_SLOPE, DEFAULT_INTERCEPT = 0.73, 0.0
"""mg/cm^3 of K2HPO4 a HU, and mg/cm^3 at 0 HU, where nobody calibrated the CT: K2HPO4 in water at 70 keV, the effective
energy of about 120 kVp behind a body. 1 mg/cm^3 of it raises the attenuation by 0.308 / 0.194 of that of 1 mg/cm^3 of
water (mass attenuation coefficients of NIST, cm^2/g), and dissolved it displaces 0.217 mm^3 of water (Mindways QCT
PRO): 1.37 HU. At 80 kVp the slope is about 0.53, at 140 kVp about 0.77."""


@dataclass(frozen=True)
class Calibration:
    """A linear calibration: density = slope x HU + intercept.

    Attributes
    ----------
    slope, intercept
        mg/cm^3 a HU, and mg/cm^3.
    measure
        What the density is of.
    calibrated
        False where a default stands in for a calibration.
    """

    slope: float
    intercept: float
    measure: Measure = "k2hpo4"
    calibrated: bool = True

    @classmethod
    def of(cls, asked: PhantomCalibration | NoCalibration) -> Calibration:
        """Return the calibration that a job asks for."""
        if isinstance(asked, PhantomCalibration):
            return cls(asked.slope, asked.intercept, asked.measure)
        return cls(DEFAULT_SLOPE, DEFAULT_INTERCEPT, calibrated=False)

    def density(self, hounsfield: Reals) -> Reals:
        """Return the density (...), mg/cm^3 of K2HPO4, of intensities (...), HU, in their precision."""
        if self.measure == "k2hpo4":
            return self.slope * hounsfield + self.intercept
        return 1000.0 * convert((self.slope * hounsfield + self.intercept) / 1000.0, self.measure, "k2hpo4")

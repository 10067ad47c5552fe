"""From Hounsfield units to bone density."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.contract.bone import InternalCalibration, NoCalibration, PhantomCalibration
from models.types import Reals
from workers.bone.attenuation import k2hpo4_slope
from workers.bone.internal import EXPECTED_KEV, InternalFit, enhanced, fit_internal
from workers.bone.measures import Measure, convert
from workers.bone.references import References

DEFAULT_SLOPE, DEFAULT_INTERCEPT = k2hpo4_slope(EXPECTED_KEV), 0.0
"""mg/cm^3 of K2HPO4 a HU, and mg/cm^3 at 0 HU, where nobody calibrated the CT: K2HPO4 in water at 70 keV, 0.743."""
SECANT_HU = 200.0
"""Trabecular bone has 0 to this many HU: a curved calibration is described by its mean slope there."""


@dataclass(frozen=True)
class Calibration:
    """From HU to density: slope x HU + intercept, or a curve of which these are the line through 0 and 200 HU.

    Attributes
    ----------
    slope, intercept
        mg/cm^3 a HU, and mg/cm^3.
    measure
        What the density is of.
    calibrated
        False where a default stands in for a calibration.
    internal
        What the tissues of the scan say, where they calibrate it.
    contrast_agent
        Whether the blood has contrast agent, which raises the density.
    """

    slope: float
    intercept: float
    measure: Measure = "k2hpo4"
    calibrated: bool = True
    internal: InternalFit | None = None
    contrast_agent: bool = False

    @classmethod
    def of(cls, asked: PhantomCalibration | InternalCalibration | NoCalibration, references: References) -> Calibration:
        """Return the calibration that a job asks for, of a scan with these tissues.

        Raises
        ------
        CalibrationImpossible
            The tissues shall calibrate the scan and cannot.
        """
        contrast_agent = "blood" in references and enhanced(references["blood"])
        if isinstance(asked, PhantomCalibration):
            return cls(asked.slope, asked.intercept, asked.measure, contrast_agent=contrast_agent)
        if isinstance(asked, NoCalibration):
            return cls(DEFAULT_SLOPE, DEFAULT_INTERCEPT, calibrated=False, contrast_agent=contrast_agent)
        fit = fit_internal(references, asked.method)
        low, high = fit.density(np.array([0.0, SECANT_HU]))
        return cls(float(high - low) / SECANT_HU, float(low), internal=fit, contrast_agent=contrast_agent)

    def density(self, hounsfield: Reals) -> Reals:
        """Return the density (...), mg/cm^3 of K2HPO4, of intensities (...), HU, in their precision."""
        if self.internal:
            return self.internal.density(hounsfield)
        if self.measure == "k2hpo4":
            return self.slope * hounsfield + self.intercept
        return 1000.0 * convert((self.slope * hounsfield + self.intercept) / 1000.0, self.measure, "k2hpo4")

"""From Hounsfield units to bone density."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.contract.bone import InternalCalibration, NoCalibration, PhantomCalibration
from models.types import Reals
from workers.bone.attenuation import k2hpo4_slope
from workers.bone.internal import InternalFit, enhanced, fit_internal
from workers.bone.measures import Measure, convert
from workers.bone.references import References
from workers.bone.technique import UNKNOWN, Technique

DEFAULT_SLOPE, DEFAULT_INTERCEPT = k2hpo4_slope(UNKNOWN.expected_kev), 0.0
"""mg/cm^3 of K2HPO4 a HU, and mg/cm^3 at 0 HU, where nobody calibrated the CT and its tube voltage is not known:
K2HPO4 in water at 70 keV, 0.743."""
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
    technique
        How the scanner made the CT.
    """

    slope: float
    intercept: float
    measure: Measure = "k2hpo4"
    calibrated: bool = True
    internal: InternalFit | None = None
    contrast_agent: bool = False
    technique: Technique = UNKNOWN

    @classmethod
    def of(
        cls,
        asked: PhantomCalibration | InternalCalibration | NoCalibration,
        references: References,
        technique: Technique = UNKNOWN,
    ) -> Calibration:
        """Return the calibration that a job asks for, of a scan with these tissues, made like that.

        Raises
        ------
        CalibrationImpossible
            The tissues shall calibrate the scan and cannot.
        """
        named = technique.contrast_agent
        agent = enhanced(references["blood"], named) if "blood" in references else named
        if isinstance(asked, PhantomCalibration):
            return cls(asked.slope, asked.intercept, asked.measure, contrast_agent=agent, technique=technique)
        if isinstance(asked, NoCalibration):
            slope = k2hpo4_slope(technique.expected_kev)
            return cls(slope, DEFAULT_INTERCEPT, calibrated=False, contrast_agent=agent, technique=technique)
        fit = fit_internal(references, asked.method, technique)
        low, high = fit.density(np.array([0.0, SECANT_HU]))
        slope = float(high - low) / SECANT_HU
        return cls(slope, float(low), internal=fit, contrast_agent=agent, technique=technique)

    def density(self, hounsfield: Reals) -> Reals:
        """Return the density (...), mg/cm^3 of K2HPO4, of intensities (...), HU, in their precision."""
        if self.internal:
            return self.internal.density(hounsfield)
        if self.measure == "k2hpo4":
            return self.slope * hounsfield + self.intercept
        return 1000.0 * convert((self.slope * hounsfield + self.intercept) / 1000.0, self.measure, "k2hpo4")

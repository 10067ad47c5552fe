"""The numbers of the patient's own bone in the structured report, each named as research."""

from __future__ import annotations

from collections.abc import Iterator

from highdicom.sr import Measurement, QualitativeEvaluation
from pydicom.sr.coding import Code

from app.contract.bone import Bone
from workers.dicom_results.codes import DENSITY, NEWTON, STIFFNESS, own

CALIBRATIONS = {
    "phantom": own("PHANTOM", "calibrated with a phantom"),
    "internal": own("INTERNAL", "calibrated with tissues of the scan itself"),
    "none": own("UNCALIBRATED", "UNCALIBRATED: density and what follows are guesses"),
}


def bone_measurements(bone: Bone | None) -> Iterator[Measurement]:
    """Yield trabecular density, stiffness and strength; nothing of a job with homogeneous bone."""
    if bone is None:
        return
    guess = "" if bone.calibration.calibrated else "UNCALIBRATED "
    strength = bone.strength
    yield _measured("VBMD", f"{guess}trabecular density, K2HPO4 (research)", bone.trabecular_density_mg_cm3, DENSITY)
    if (internal := bone.calibration.internal) is not None:
        density = internal.water_line_density_mg_cm3
        yield _measured("VBMD_WATER_LINE", "trabecular density by the water line (research)", density, DENSITY)
    yield _measured("STIFFNESS", f"{guess}stiffness of the body (research)", strength.stiffness_n_per_mm, STIFFNESS)
    yield _measured(
        "STRENGTH_LINEAR", f"{guess}strength, Crawford 2003 (research)", strength.linear_strength_newton, NEWTON
    )
    yield _measured(
        "STRENGTH_PISTOIA", f"{guess}strength, Pistoia 2002 (research)", strength.pistoia_strength_newton, NEWTON
    )


def bone_evaluations(bone: Bone | None) -> Iterator[QualitativeEvaluation]:
    """Yield what calibrated the density; nothing of a job with homogeneous bone."""
    if bone is not None:
        name = own("CALIBRATION", "What calibrated the density")
        yield QualitativeEvaluation(name, CALIBRATIONS[bone.calibration.kind])


def _measured(value: str, meaning: str, number: float, unit: Code) -> Measurement:
    return Measurement(name=own(value, meaning), value=float(f"{number:.6g}"), unit=unit)

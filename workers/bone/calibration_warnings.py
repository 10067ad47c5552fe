"""What a reader should know of a calibration, of contrast agent and of metal: each named in a sentence."""

from __future__ import annotations

from workers.bone.calibration import Calibration
from workers.bone.interior import Trabecular
from workers.bone.internal import enhanced, plausible
from workers.bone.references import References
from workers.bone.surroundings import Surroundings
from workers.bone.technique import PRESUMED_KV, Technique

UNCALIBRATED = (
    "UNCALIBRATED: nothing calibrated this CT. Density, Young's moduli, stress, stiffness and strength rest on a "
    "default for "
)
VOLTAGE_PRESUMED = (
    f"{PRESUMED_KV:g} kV without contrast agent, as the tube voltage is not known: DICOM headers say it, NIfTI files "
    "do not. Another tube voltage or contrast changes them by 30 % and more."
)
READS_HIGH = (
    "Calibrated with tissues of the scan (Michalski et al. 2020): reads higher than a phantom, by 16 mg/cm³ on "
    "average in six published scans. Stiffness and strength rest on that higher density: up to half again as high "
    "where bone is sparse. Hold the `water_line` density against the lines of 80 and 120."
)
NO_AIR = "The image shows no air outside the body: that its Hounsfield units are not rescaled could not be checked."
MOST_LEFT_OUT = 0.05
"""Share of the interior: up to 4 % in even bone, 13 % where a bone island reaches into it (the CTs at hand)."""
METAL_HU, METAL_CM3, NEAR_MM = 1800.0, 0.1, 60.0
"""Of cells of 3 mm: bone has less, a screw more; and how far from the middle of the body they matter."""


def calibration_warnings(calibration: Calibration, references: References) -> list[str]:
    """Name a calibration that is missing or reads high, and contrast agent in the blood."""
    warnings = [] if calibration.calibrated else [UNCALIBRATED + _default_of(calibration.technique)]
    if calibration.internal and calibration.internal.method == "michalski_2020":
        warnings.append(READS_HIGH)
    if calibration.internal and "air" not in references:
        warnings.append(NO_AIR)
    warnings += scale_warnings(references)
    blood = references.get("blood")
    if blood and enhanced(blood, calibration.technique.contrast_agent):
        warnings.append(
            f"There is contrast agent in the blood ({blood.hounsfield:.0f} HU): in the marrow it raises the density of "
            "the bone, in published series by 6 mg/cm³ and more (Kaesmacher et al., J Comput Assist Tomogr 41, 2017)."
        )
    return warnings


def _default_of(technique: Technique) -> str:
    if technique.tube_kv is None:
        return VOLTAGE_PRESUMED
    return (
        f"the {technique.tube_kv:g} kV of the header without contrast agent; the size of the body and the filter of "
        "the tube change them by 7 % and more."
    )


def scale_warnings(references: References) -> list[str]:
    """Name air and fat whose numbers are no HU: an image that was rescaled, or one of densities."""
    odd = [
        f"{tissue} has {references[tissue].hounsfield:.0f}"
        for tissue in ("air", "adipose")
        if tissue in references and not plausible(tissue, references[tissue])
    ]
    if not odd:
        return []
    return [f"The numbers of the image may be no Hounsfield units: {' and '.join(odd)}. Density then is wrong."]


def interior_warnings(trabecular: Trabecular) -> list[str]:
    """Name a body whose interior is not of one kind."""
    if trabecular.left_out < MOST_LEFT_OUT:
        return []
    return [
        f"{trabecular.left_out:.0%} of the body's interior is far denser or less dense than the rest (a bone island, "
        "sclerosis, cement, a vein): it is left out of the trabecular density, and is in stiffness and strength."
    ]


def metal_warnings(around: Surroundings) -> list[str]:
    """Name metal near the vertebra, which streaks the CT."""
    near = (around.place**2).sum(axis=-1) < NEAR_MM**2
    if (around.hounsfield[near] > METAL_HU).sum() * around.cell_cm3 < METAL_CM3:
        return []
    return ["There is metal near the vertebra (screws, a cage, cement): its streaks change the density around it."]

"""What headers and calibration say against each other or against the scan: each named in a sentence."""

from __future__ import annotations

from workers.bone.attenuation import adipose_hounsfield, k2hpo4_slope
from workers.bone.calibration import Calibration
from workers.bone.measures import K2HPO4_OF_HYDROXYAPATITE
from workers.bone.references import References
from workers.bone.technique import TUBE_KV, Technique

CONTRADICTING_HU = 15.0
"""Fat that differs more from what it has at the tube voltage: 2.5 times its standard deviation between people. At 80 kV
it has 21 HU less than at 120 kV, at 100 kV 8 HU less, which is not told from a person's own."""
SLOPE_MARGIN, MOST_INTERCEPT = 0.25, 50.0
"""By how much a phantom's slope may differ from the default of the tube voltage, as a share: 7 % for the size of the
body and the filter, 16 % between kinds of hydroxyapatite; at 80 kV it is 27 % below that at 120 kV. And mg/cm^3 at 0
HU, where phantoms show 0 give or take 20."""


def technique_warnings(calibration: Calibration, references: References) -> list[str]:
    """Name a voltage that the fat contradicts, an agent that blood does not show, a sharp kernel, an odd phantom."""
    return [
        *_of_voltage(calibration.technique, references),
        *_of_agent(calibration, references),
        *_of_kernel(calibration.technique),
        *_of_phantom(calibration),
    ]


def _of_voltage(technique: Technique, references: References) -> list[str]:
    if technique.tube_kv is None or "adipose" not in references:
        return []
    fat, expected = references["adipose"].hounsfield, float(adipose_hounsfield(technique.expected_kev))
    if abs(fat - expected) <= CONTRADICTING_HU:
        return []
    return [
        f"The fat of the scan ({fat:.0f} HU) contradicts the tube voltage of its header: at {technique.tube_kv:g} kV "
        f"it has about {expected:.0f} HU. The header may be wrong, a tin filter may have hardened the beam, or the "
        "image may be a virtual monochromatic one. Density rests on the effective energy."
    ]


def _of_agent(calibration: Calibration, references: References) -> list[str]:
    """Name an agent of the header where the warning on enhanced blood does not."""
    if not calibration.technique.contrast_agent or (calibration.contrast_agent and "blood" in references):
        return []
    blood = f"looks plain ({references['blood'].hounsfield:.0f} HU)" if "blood" in references else "was not found"
    return [
        f"The header names a contrast agent, and the blood {blood}. If the scan was made after the injection, the "
        "density is too high."
    ]


def _of_kernel(technique: Technique) -> list[str]:
    if technique.sharp_kernel is None:
        return []
    return [
        f"The kernel {technique.sharp_kernel} enhances edges: the shell looks denser and the marrow beside it emptier "
        "than they are. The trabecular density hardly changes; stiffness and strength may."
    ]


def _of_phantom(calibration: Calibration) -> list[str]:
    """Name a line that no phantom shows: swapped or inverted numbers, or another unit."""
    if calibration.internal or not calibration.calibrated:
        return []
    low, high = usual_slopes(calibration)
    if low <= calibration.slope <= high and abs(calibration.intercept) <= MOST_INTERCEPT:
        return []
    tube_kv = calibration.technique.tube_kv
    which = "that a CT has" if tube_kv is None else f"that a CT of {tube_kv:g} kV has"
    return [
        f"The phantom's line, {calibration.slope:g} x HU {calibration.intercept:+g} mg/cm³, is none {which}: {low:.2f} "
        f"to {high:.2f} mg/cm³ a HU, about 0 at 0 HU. It may be of another protocol, or slope and intercept are "
        "swapped, inverted, or in g/cm³. Density is wrong then."
    ]


def usual_slopes(calibration: Calibration) -> tuple[float, float]:
    """Return between which slopes, mg/cm^3 a HU of its measure, a phantom's is, of its tube voltage or of any."""
    known = calibration.technique.tube_kv
    of_salt = K2HPO4_OF_HYDROXYAPATITE if calibration.measure == "hydroxyapatite" else 1.0
    low, high = (
        k2hpo4_slope(Technique(end if known is None else known).expected_kev) / of_salt
        for end in (TUBE_KV[0], TUBE_KV[-1])
    )
    return (1.0 - SLOPE_MARGIN) * low, (1.0 + SLOPE_MARGIN) * high

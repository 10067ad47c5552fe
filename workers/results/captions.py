"""What every result file says about itself: title, warnings, frame, software and the research note."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from app.contract.certainty import certainty
from app.contract.params import ReportedLevel
from app.contract.report import Bone, Report

SOFTWARE = "vertebra-stress"
FRAME = "NIfTI RAS+ mm"
RESEARCH_NOTE = "Research use only"
DISCLAIMER = (
    "Research software. Not a medical device. Not for diagnosis or treatment. The stress is that of a homogeneous, "
    "linear elastic model under an idealised load, not a measurement of the patient."
)
DENSITY_DISCLAIMER = (
    "Research software. Not a medical device. Not for diagnosis or treatment. Density, stiffness and strength are "
    "those of a model under an idealised load, linear elastic but for the nonlinear strength. They are no measurement "
    "of the patient and foretell no fracture."
)
UNKNOWN: ReportedLevel = "unknown"
LOAD_CASES = {"traction": "", "plates": " between rigid plates", "caps": " between cement caps"}
"""What a title adds for each load case."""
UNCALIBRATED = "UNCALIBRATED"
"""What stands beside every density and modulus of a CT that nothing calibrated."""
BENDING = " with bending"
"""What a title adds where moments act too."""
MODELS = {"fe": "finite elements", "surrogate": "surrogate prediction"}
"""How a title names each fidelity."""


def newtons(force: float) -> str:
    """Return a force in N, in whole ones from 100 on, e.g. ``257 N``."""
    return f"{force:.0f} N" if force >= 100.0 else f"{force:.3g} N"


def software_version() -> str:
    """Return the installed version of this package, or ``0+unknown`` when it runs uninstalled."""
    try:
        return version(SOFTWARE)
    except PackageNotFoundError:
        return "0+unknown"


def software_and_version() -> str:
    """Return name and version, e.g. ``vertebra-stress 0.1.0``."""
    return f"{SOFTWARE} {software_version()}"


def is_uncalibrated(bone: Bone | None) -> bool:
    """Return whether density was asked for, and nothing calibrated the CT."""
    return bone is not None and not bone.calibration.calibrated


@dataclass(frozen=True)
class Caption:
    """What the title of a result file says.

    Attributes
    ----------
    vertebra
        Level, e.g. ``"L1"``, or ``"unknown"``.
    load_newton
        Compressive load on the superior endplate, N.
    fidelity
        How the stress was computed, e.g. ``"fe"``.
    warnings
        Sentences that a reader needs before the numbers, the most important first.
    certainty
        How sure the report is of level, outline and stress, e.g. ``("level", "verified; by the ribs L1")``.
    load_case
        How the load is brought in, e.g. ``"traction"``.
    is_uncalibrated
        Whether density was asked for, and nothing calibrated the CT.
    bending
        Whether moments act beside the load.
    """

    vertebra: str
    load_newton: float
    fidelity: str
    warnings: tuple[str, ...] = ()
    certainty: tuple[tuple[str, str], ...] = ()
    load_case: str = "traction"
    is_uncalibrated: bool = False
    bending: bool = False

    @classmethod
    def of(cls, report: Report) -> Caption:
        """Return what the report says."""
        lines = tuple(certainty(report.model_dump(mode="json")))
        warnings = tuple(report.warnings)
        return cls(
            report.vertebra,
            report.load_newton,
            report.fidelity,
            warnings,
            lines,
            report.load_case,
            is_uncalibrated=is_uncalibrated(report.bone),
            bending=report.moments is not None,
        )

    @property
    def vertebra_words(self) -> str:
        """The vertebra in a sentence, e.g. ``vertebra L1`` or ``a vertebra of unknown level``."""
        return "a vertebra of unknown level" if self.vertebra == UNKNOWN else f"vertebra {self.vertebra}"

    @property
    def title(self) -> str:
        """Level, load and model in one line, e.g. ``L1 · 500 N axial compression · finite elements``."""
        model = MODELS.get(self.fidelity, self.fidelity)
        level = "level unknown" if self.vertebra == UNKNOWN else self.vertebra
        how = LOAD_CASES[self.load_case] + (BENDING if self.bending else "")
        return f"{level} · {newtons(self.load_newton)} axial compression{how} · {model}"

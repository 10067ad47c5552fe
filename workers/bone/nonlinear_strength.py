"""The strength of a vertebra whose bone gives way. Research: nothing here foretells a fracture."""

from __future__ import annotations

from collections.abc import Sequence

from app.contract.bone import CurvePoint as ReportedPoint
from app.contract.bone import NonlinearStrength
from models.template import Template
from models.types import Floats
from workers.bone.elements import ElementBone
from workers.bone.strength import YIELD_EXPONENT, YIELD_MPA, body_elements, yield_stress
from workers.fem.crushing import CurvePoint, Yielding
from workers.geometry.tetrahedra import tet_volumes

STRAINS = (0.0025, 0.005, 0.01, 0.019)
"""Of the curve, over the body's height. Up to the first hardly an element yields. The strength is the force at the
last: 1.9 % is a choice, near 2 %, where the curve is level. From 1.5 to 2.5 % it moves by 0.8 % at most on three
vertebrae, and to 7 % by 2 to 4 % (docs/evaluation/bone.md)."""
CITATION = (
    f"Force between plates at {100 * STRAINS[-1]:g} % of the body's height; elements yield at {YIELD_MPA} "
    f"density^{YIELD_EXPONENT} MPa (Kopperdahl, Morgan & Keaveny 2002) in effective strain, and bear that beyond it"
)


def yielding_bone(bone: ElementBone) -> Yielding:
    """Return what gives way of the bone of each element."""
    return Yielding(bone.material, yield_stress(bone.density) / bone.young_mpa)


def nonlinear_section(curve: Sequence[CurvePoint], points: Floats, template: Template) -> NonlinearStrength:
    """Return what the report says of a curve over `STRAINS` of a subject's mesh (n, 3), mm."""
    last, body = curve[-1], body_elements(template)
    volumes = tet_volumes(points, template.tets)[body]
    return NonlinearStrength(
        strength_newton=last.force_newton,
        strain_percent=100.0 * STRAINS[-1],
        yielded_share=float(volumes[last.yielded[body]].sum() / volumes.sum()),
        curve=[ReportedPoint(displacement_mm=point.travel_mm, force_newton=point.force_newton) for point in curve],
        citation=CITATION,
    )

"""The part of ``report.pdf`` on the patient's own bone: density beside its reference lines, stiffness and strength."""

from __future__ import annotations

from collections.abc import Iterator

from reportlab.graphics.shapes import Drawing, Line, Polygon, String
from reportlab.lib.colors import HexColor

from app.contract.bone import Bone
from app.contract.certainty import calibration_words
from app.contract.report import Report
from workers.results.captions import UNCALIBRATED, newtons
from workers.results.pdf_style import BOLD, FONT, WIDTH, Column, Part, number_table, paragraph
from workers.results.pen import INK, MUTED, RED

COLUMNS = (
    Column("Bone", 0.25),
    Column("", 0.11, is_number=True),
    Column("What it is", 0.64),
)
LINE_GAP, HEADING_GAP = 2.0, 10.0
LEAST_END = 200.0
"""Where the scale of the density ends at least, mg/cm³: healthy young people have 150 to 200."""
TICK, MARKER = 3.0, 5.0
"""Half a tick's length, and half a marker's width, points."""


def bone_parts(report: Report, bone: Bone, size: float) -> Iterator[Part]:
    """Yield heading, scale, table and note; `size` is that of the font, points."""
    guessed = not bone.calibration.calibrated
    doubt = f"{UNCALIBRATED}, these numbers are guesses" if guessed else calibration_words(bone.calibration.kind)
    colour = RED if guessed else INK
    yield Part(HEADING_GAP, paragraph(f"The patient's own bone: {doubt}", size + 1.5, bold=True, colour=colour))
    yield Part(LINE_GAP, density_scale(bone, size))
    yield Part(LINE_GAP, number_table(COLUMNS, bone_rows(report, bone), size))
    yield Part(LINE_GAP, paragraph(bone_note(report, bone), max(size - 1.5, 6.0), colour=MUTED))


def bone_rows(report: Report, bone: Bone) -> list[list[str]]:
    """Return name, value with unit, and meaning of each number."""
    strength = bone.strength
    weight = " (weight alone, without muscle forces)" if report.body_weight else ""
    cement = " and the cement" if report.load_case == "caps" else ""
    alone = "; compression alone, the moment is not in it" if report.moments else ""
    in_water = f", {comparable_density(bone):.0f} by its line in water (the mark)" if bone.calibration.internal else ""
    return [
        [
            "Trabecular density",
            f"{bone.trabecular_density_mg_cm3:.0f} mg/cm³",
            f"of K2HPO4{in_water}; ACR lines: osteoporosis below {bone.osteoporotic_mg_cm3:g}, low bone mass to "
            f"{bone.low_mg_cm3:g}, for the mean of two vertebrae{_doubt(bone)}",
        ],
        [
            "Stiffness",
            f"{strength.stiffness_n_per_mm / 1000:.1f} kN/mm",
            f"load over the shortening of the body{cement}, the body {strength.body_height_mm:.0f} mm high",
        ],
        [
            "Linear strength",
            f"{strength.linear_strength_newton / 1000:.2f} kN",
            f"0.0068 × stiffness × height; by Pistoia's criterion {strength.pistoia_strength_newton / 1000:.2f} kN",
        ],
        *_crushed(bone),
        [
            "Load over strength",
            f"{strength.load_over_strength:.2f}",
            f"{newtons(report.load_newton)} of this job{weight} over the linear strength; not a daily activity{alone}",
        ],
    ]


def _crushed(bone: Bone) -> list[list[str]]:
    """Return the row of the nonlinear strength, where there is one."""
    if (crushed := bone.nonlinear) is None:
        return []
    what = f"force between plates at {crushed.strain_percent:g} % of the height, where the bone gives way"
    return [["Nonlinear strength", f"{crushed.strength_newton / 1000:.2f} kN", what]]


def _doubt(bone: Bone) -> str:
    """Return what stands behind the reference lines where they measure nothing."""
    measured = bone.calibration.calibrated and not bone.calibration.contrast_agent
    return "" if measured else "; lines for orientation: this number is no measurement"


def bone_note(report: Report, bone: Bone) -> str:
    """Return what stiffness and strength rest on, and the lines of biomechanical CT, which do not measure them."""
    higher = bone.trabecular_density_mg_cm3 > comparable_density(bone)
    texts = (
        (higher, "Stiffness and strength rest on the higher density: up to half again as high where bone is sparse. "),
        (report.moments, "Stiffness and strengths are of compression alone; the moment is not in them. "),
        (bone.nonlinear, "On one published L2 the crushed strength is a third below the linear one. "),
    )
    return "".join(text for there, text in texts if there) + _fragile(bone)


def _fragile(bone: Bone) -> str:
    women, men = (newton / 1000 for newton in (bone.strength.fragile_women_newton, bone.strength.fragile_men_newton))
    return (
        f"Biomechanical CT calls a vertebra fragile at or below {women:g} kN (women) and {men:g} kN (men) by a "
        "nonlinear model of its own; the strengths above are not on that scale. Laws and calibrations scatter by 20 to "
        "30 % between people."
    )


def comparable_density(bone: Bone) -> float:
    """Return the trabecular density, mg/cm³, to hold against the reference lines: what a phantom would show."""
    internal = bone.calibration.internal
    return internal.water_line_density_mg_cm3 if internal else bone.trabecular_density_mg_cm3


def density_scale(bone: Bone, size: float) -> Drawing:
    """Draw the trabecular density on a line with the reference lines of the ACR."""
    value = comparable_density(bone)
    end = max(LEAST_END, 50.0 * -(-value // 50.0))
    room, base = 2.0 * size, 1.6 * size
    drawing = Drawing(WIDTH, base + 2.4 * size)

    def at(density: float) -> float:
        return room + (WIDTH / 2 - 2 * room) * min(max(density, 0.0), end) / end

    drawing.add(Line(at(0), base, at(end), base, strokeColor=HexColor(MUTED), strokeWidth=1))
    for tick in (0.0, bone.osteoporotic_mg_cm3, bone.low_mg_cm3, end):
        top = base + (1.2 * size if 0.0 < tick < end else TICK)
        drawing.add(Line(at(tick), base - TICK, at(tick), top, strokeColor=HexColor(INK), strokeWidth=0.8))
        drawing.add(_words(at(tick), base - TICK - size, f"{tick:g}", size - 1, FONT))
    x, tip = at(value), base + 1
    colour = HexColor(INK if bone.calibration.calibrated else RED)
    corners = [x, tip, x - MARKER, tip + 1.1 * size, x + MARKER, tip + 1.1 * size]
    drawing.add(Polygon(corners, fillColor=colour, strokeColor=None))
    doubt = "" if bone.calibration.calibrated else f" {UNCALIBRATED}"
    drawing.add(_words(max(x, at(0) + 4 * size), base + 1.4 * size, f"{value:.0f} mg/cm³{doubt}", size, BOLD, colour))
    return drawing


def _words(x: float, y: float, text: str, size: float, font: str, colour: HexColor | None = None) -> String:
    return String(x, y, text, fontSize=size, fontName=font, textAnchor="middle", fillColor=colour or HexColor(MUTED))

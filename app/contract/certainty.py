"""How sure a ``report.json`` is of level, outline and stress, in words: the same on every screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.contract.numbering import CONVENTION_NAMES


def certainty(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield from a parsed ``report.json`` what a text is about (level, vertebra, outline, size, error), and it.

    "load" comes where it follows from the body weight or bends, "bone" where the job asked for the density of the CT.
    """
    segmentation = report["segmentation"]
    yield "level", _level(segmentation) if segmentation else _level_of_mask(report)
    if segmentation:
        yield "vertebra", _place(segmentation)
        if outline := segmentation.get("outline"):
            yield "outline", _outline(outline)
    if size := report.get("size"):
        yield "size", _size(size)
    if report.get("body_weight") or report.get("moments"):
        yield "load", _load(report)
    if bone := report.get("bone"):
        yield "bone", _bone(bone)
    if error := report.get("expected_error"):
        yield "error", _expected_error(error, report.get("prediction"))


def words(name: str) -> str:
    """Return a name of the contract as words."""
    return name.replace("_", " ")


def vertebra_words(level: str) -> str:
    """Return a level of the report as words: "Vertebra L1", or that it is unknown."""
    return "Vertebra of unknown level" if level == "unknown" else f"Vertebra {level}"


def _level_of_mask(report: Mapping[str, Any]) -> str:
    """Return what says the level of a vertebra whose mask was sent."""
    numbering, level = report.get("numbering"), report["vertebra"]
    if numbering is None:
        return "as the client says that sent the mask"
    convention = CONVENTION_NAMES.get(numbering["convention"])
    label = f"label {numbering['label']}" + (f" in {convention} numbering" if convention else "")
    if level == "unknown":
        return f"UNKNOWN: neither the client nor the mask says what {label} is"
    told = numbering["level"] == level and numbering["chosen_by"] != "level"
    return f"as the mask says: {label}" if told else f"as the client says; {label}"


def _level(segmentation: Mapping[str, Any]) -> str:
    verified, confidence = segmentation.get("level_verified"), segmentation["confidence"]
    if confidence is None and verified is None:
        return "as the seed says that was sent; nothing was counted"
    names = {True: ["verified"], False: ["NOT VERIFIED: ribs and sacrum do not settle it"], None: []}
    levels = {landmark: segmentation[f"level_by_{landmark}"] for landmark in ("ribs", "sacrum")}
    counts = [f"by the {landmark} {level}" for landmark, level in levels.items() if level]
    sure = [] if confidence is None else [f"confidence {confidence:.0%}"]
    return "; ".join([*names[verified], *counts, *sure])


def _place(segmentation: Mapping[str, Any]) -> str:
    x, y, z = segmentation["centre_ras_mm"]
    where = f"segmented at ({x:.0f}, {y:.0f}, {z:.0f})"
    seen = segmentation["levels_seen"]
    return f"{where}; {seen[0]} to {seen[-1]} in the scan" if seen else where


def _outline(outline: Mapping[str, Any]) -> str:
    parts = [
        ("two views agree, Dice {:.2f}", outline["view_dice"]),
        ("edge at the superior endplate {:.0%}", outline["superior_endplate_edge"]),
        ("at the inferior {:.0%}", outline["inferior_endplate_edge"]),
        ("height {:.2f} of the distance of the bodies", outline["height_ratio"]),
        ("{:.0%} as dense as metal or cement", outline["dense_share"] or None),
        ("load axis within {:.1f}°", outline["load_axis_uncertainty_deg"]),
        ("least sure at the {}", words(outline["worst_place"])),
    ]
    measured = [text.format(value) for text, value in parts if value is not None]
    return "; ".join((["UNCERTAIN, check the mask"] if outline["uncertain"] else []) + measured)


def _size(size: Mapping[str, Any]) -> str:
    """Return the volume beside that of adults, and where a mask does not end at the edge of the bone."""
    low, high = size["usual_volume_cm3"]
    text = f"{size['volume_cm3']:.0f} cm³; adults {low:.0f} to {high:.0f} cm³"
    doubts = [
        name for name, odd in (("UNUSUAL", size["unusual"]), ("OFF THE EDGE OF THE BONE", size["off_edge"])) if odd
    ]
    offset = size["edge_offset_mm"]
    edge = (
        ""
        if offset is None
        else f"; the bone's edge lies {abs(offset):.1f} mm {'in' if offset < 0 else 'out'}side the mask"
    )
    return ", ".join([*doubts, text]) + (edge if size["off_edge"] else "")


def _load(report: Mapping[str, Any]) -> str:
    """Return what the load follows from, and the moments beside it."""
    text = f"{report['load_newton']:.0f} N"
    if weight := report.get("body_weight"):
        share, whole = weight["share_above"], weight["body_weight_kg"]
        text += f", the weight of {share:.0%} of a body of {whole:g} kg; without muscle forces"
    if moments := report.get("moments"):
        text += f"; moments {moments['flexion'] / 1000:g} N m flexion, {moments['lateral'] / 1000:g} N m to the right"
    return text


CALIBRATED_BY = {
    "phantom": "calibrated with a phantom",
    "internal": "calibrated with the tissues of the scan",
    "none": "UNCALIBRATED",
}


def calibration_words(kind: str) -> str:
    """Return what calibrated a CT, e.g. ``calibrated with a phantom``."""
    return CALIBRATED_BY[kind]


def _bone(bone: Mapping[str, Any]) -> str:
    """Return density, stiffness and strength, and what calibrated them."""
    calibrated = calibration_words(bone["calibration"]["kind"])
    strength, nonlinear = bone["strength"], bone.get("nonlinear")
    crushed = f"crushed {nonlinear['strength_newton']:,.0f} N; " if nonlinear else ""
    return (
        f"{calibrated}; trabecular {bone['trabecular_density_mg_cm3']:.0f} mg/cm³ K2HPO4; stiffness "
        f"{strength['stiffness_n_per_mm']:,.0f} N/mm; linear strength {strength['linear_strength_newton']:,.0f} N; "
        f"{crushed}research, not diagnosis"
    )


def _expected_error(error: Mapping[str, Any], prediction: Mapping[str, Any] | None) -> str:
    bounded = prediction is not None and prediction.get("error_bound_percent") is not None
    surrogate = "surrogate at most" if bounded else "surrogate"
    causes = [("outline", error["outline_percent"]), (surrogate, error["surrogate_percent"])]
    known = [f"{cause} {percent:.2f} %" for cause, percent in causes if percent is not None]
    return f"expected {error['total_percent']:.2f} % of the peak" + (f": {', '.join(known)}" if known else "")

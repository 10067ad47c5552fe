"""The report's warnings on the level of a vertebra whose mask was sent."""

from __future__ import annotations

from app.contract.numbering import CONVENTION_NAMES, Numbering
from app.contract.params import ReportedLevel
from workers.mask.conventions import BINARY
from workers.mask.level_of_label import said_level


def numbering_warnings(numbering: Numbering | None, level: ReportedLevel) -> list[str]:
    """Return what a reader should know about the level: that nothing says it, or that mask and client disagree."""
    if numbering is None:
        return []
    warnings = (
        warn_of_unknown_level(numbering, level),
        warn_of_other_level(numbering, level),
        warn_of_order(numbering),
    )
    return [warning for warning in warnings if warning]


def warn_of_unknown_level(numbering: Numbering, level: ReportedLevel) -> str | None:
    """Warn where neither the client nor the mask says the level."""
    if level != "unknown":
        return None
    if numbering.label == BINARY:
        return "The level is unknown: the mask does not say which vertebra it is. Say it with the parameter vertebra."
    which = f"which vertebra label {numbering.label} is{_choices(numbering)}"
    return f"The level is unknown: nothing says {which}. Say it with the parameter vertebra, or mask_convention."


def warn_of_other_level(numbering: Numbering, level: ReportedLevel) -> str | None:
    """Warn where the label stands for another level than the client states, in every convention that is possible."""
    if level == "unknown":
        return None
    if numbering.chosen_by == "segment":
        told = f"Segment {numbering.label} is {said_level(numbering)}, but the job says {level}: check the level."
        return None if numbering.level == level else told
    if numbering.level is not None and numbering.convention is not None:
        possible = {numbering.convention: numbering.level}
    else:
        possible = dict(numbering.possible)
    if not possible or level in possible.values():
        return None
    meanings = " and ".join(f"{name} in {CONVENTION_NAMES[c]} numbering" for c, name in possible.items())
    return f"Label {numbering.label} is {meanings}, but the job says {level}: check the level."


def warn_of_order(numbering: Numbering) -> str | None:
    """Warn where the file contradicts the convention that the client states."""
    if numbering.chosen_by != "client" or not numbering.contradicted:
        return None
    return f"The labels of the mask do not fit the numbering that was asked for. {numbering.reason}"


def _choices(numbering: Numbering) -> str:
    """Return what the label may be, as a clause."""
    choices = [f"{level} in {CONVENTION_NAMES[c]} numbering" for c, level in numbering.possible.items()]
    return f" ({', '.join(choices)})" if choices else ""

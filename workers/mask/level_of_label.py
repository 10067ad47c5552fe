"""What the vertebra's label stands for: the level of a mask, or that nothing tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from app.contract.errors import LevelNotSupported
from app.contract.numbering import CONVENTION_NAMES, MaskConvention, Numbering
from app.contract.params import JobParams, ReportedLevel, Vertebra
from workers.mask.conventions import level_in
from workers.mask.numbering import Reading, possible_conventions

Readings = Mapping[MaskConvention, Reading]


def number_label(label: int, readings: Readings, params: JobParams) -> Numbering:
    """Return what a label stands for, and what told it.

    The client's `mask_convention` comes first. Then comes the one convention that the file does not contradict, and
    last the one of several in which the label is the level that the client states.
    """
    if params.mask_convention != "auto":
        convention = params.mask_convention
        return Numbering(
            label=label,
            convention=convention,
            chosen_by="client",
            level=level_in(convention, label),
            possible=_levels(label, possible_conventions(readings)),
            contradicted=_is_contradicted(readings[convention]),
            reason=_as_stated(readings[convention]),
        )
    left = possible_conventions(readings)
    if len(left) == 1:
        return Numbering(
            label=label,
            convention=left[0],
            chosen_by="labels",
            level=level_in(left[0], label),
            possible=_levels(label, left),
            contradicted=False,
            reason=_why(readings[left[0]], readings),
        )
    return _by_level(label, readings, left, params.vertebra_stated)


def level_of(numbering: Numbering, params: JobParams) -> ReportedLevel:
    """Return the level of a mask's vertebra: what the client states, else what its label stands for, else "unknown".

    Raises
    ------
    LevelNotSupported
        The client states no level, and the label stands for one outside T11 to L5.
    """
    if params.vertebra_stated is not None:
        return params.vertebra_stated
    if numbering.level is None:
        return "unknown"
    for level in get_args(Vertebra):
        if level == numbering.level:
            return level
    raise LevelNotSupported(
        f"Label {numbering.label} is {said_level(numbering)}. Choose "
        "another label with mask_label. If this one is another vertebra, say which with vertebra.",
        expected="a level from T11 to L5",
        got=numbering.level,
    )


def said_level(numbering: Numbering) -> str:
    """Return what the mask says of the label, in words: the level, and in which numbering."""
    if numbering.convention is None:
        return f"{numbering.level}, as the segment itself says"
    return f"{numbering.level} in {CONVENTION_NAMES[numbering.convention]} numbering"


def _by_level(label: int, readings: Readings, left: list[MaskConvention], stated: Vertebra | None) -> Numbering:
    """Return the numbering where the labels do not tell the convention."""
    contradicted = not left and any(_is_contradicted(reading) for reading in readings.values())
    possible = {} if contradicted else _levels(label, left or list(readings))
    matching = [convention for convention, level in possible.items() if level == stated]
    one = matching[0] if len(matching) == 1 else None
    reason = _why_none(readings, left, contradicted)
    if one:
        reason += f" In {CONVENTION_NAMES[one]} numbering label {label} is {stated}, as the client states."
    return Numbering(
        label=label,
        convention=one,
        chosen_by="level" if one else None,
        level=stated if one else None,
        possible=possible,
        contradicted=False,
        reason=reason,
    )


def _levels(label: int, conventions: list[MaskConvention]) -> dict[MaskConvention, str]:
    """Return what a label is in each of these conventions that knows it."""
    levels = {convention: level_in(convention, label) for convention in conventions}
    return {convention: level for convention, level in levels.items() if level is not None}


def _why(taken: Reading, readings: Readings) -> str:
    """Return why a convention was taken, and why no other."""
    name = CONVENTION_NAMES[taken.convention]
    top, bottom = taken.column[0].label, taken.column[-1].label
    text = f"Of the labels {len(taken.column)} lie one below the other, from {top} down to {bottom}, as in {name}."
    others = [reading for reading in readings.values() if reading is not taken and reading.n_vertebrae >= 2]
    faults = [
        f"Not {CONVENTION_NAMES[other.convention]}: {other.fault or 'it names fewer of them'}." for other in others
    ]
    return " ".join([text, *faults])


def _as_stated(reading: Reading) -> str:
    """Return that the client says so, and what in the file speaks against it."""
    text = "The client says so with mask_convention."
    return f"{text} The file contradicts it: {reading.fault}." if _is_contradicted(reading) else text


def _is_contradicted(reading: Reading) -> bool:
    return reading.fault is not None and reading.n_vertebrae >= 2


def _why_none(readings: Readings, left: list[MaskConvention], contradicted: bool) -> str:
    """Return why no convention was taken."""
    if left:
        return f"The labels fit {' and '.join(CONVENTION_NAMES[c] for c in left)} alike."
    if not contradicted:
        return "The mask has too few vertebrae to tell how its labels are numbered."
    faults = [f"{CONVENTION_NAMES[r.convention]}: {r.fault}" for r in readings.values() if r.n_vertebrae >= 2]
    return f"The labels fit no known numbering. {'; '.join(faults)}."

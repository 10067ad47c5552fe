"""Choose the segment of the vertebra in a DICOM segmentation, whose segments say themselves which level they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.contract.errors import LabelAbsent, LabelAmbiguous
from app.contract.numbering import Numbering
from app.contract.params import JobParams
from workers.mask.label_choice import MOST_NAMED


def select_segment(present: Sequence[int], levels: Mapping[int, str], params: JobParams) -> int:
    """Return the segment of the vertebra: the one asked for, the only one, or that of the level the client states.

    Parameters
    ----------
    present
        Numbers of the segments that have voxels.
    levels
        Level of each segment that says it.
    params
        What the client asked for.

    Raises
    ------
    LabelAbsent
        The segmentation does not have the segment, or is empty.
    LabelAmbiguous
        The request names no segment and no level, and there are several; or several have the level.
    """
    wanted = params.mask_label
    if wanted is None and len(present) == 1:
        return present[0]
    if wanted is None and params.vertebra_stated:
        return segment_of_level(present, levels, params.vertebra_stated)
    if wanted is not None and wanted in present:
        return wanted
    if wanted is None and present:
        raise _ambiguous(present, levels)
    raise _absent(present, levels, f"segment {wanted}" if wanted is not None else "a segment")


def segment_of_level(present: Sequence[int], levels: Mapping[int, str], level: str) -> int:
    """Return the segment that is a level.

    Raises
    ------
    LabelAbsent, LabelAmbiguous
        None is, or several are.
    """
    found = [number for number in present if levels.get(number) == level]
    if not found:
        raise _absent(present, levels, f"a segment that is {level}")
    if len(found) > 1:
        raise _ambiguous(found, levels)
    return found[0]


def number_segment(number: int, levels: Mapping[int, str]) -> Numbering:
    """Return what a segment stands for."""
    level = levels.get(number)
    reason = (
        f"The segment itself says that it is {level}." if level else "The segment does not say which vertebra it is."
    )
    return Numbering(
        label=number,
        convention=None,
        chosen_by="segment" if level else None,
        level=level,
        possible={},
        contradicted=False,
        reason=reason,
    )


def _ambiguous(present: Sequence[int], levels: Mapping[int, str]) -> LabelAmbiguous:
    return LabelAmbiguous(
        f"Say with mask_label which segment is the vertebra, or with vertebra which level. Present: "
        f"{_listed(present, levels)}.",
        expected="mask_label or vertebra, or a segmentation with a single segment",
        got=f"{len(present)} segments",
        labels_present=list(present),
    )


def _absent(present: Sequence[int], levels: Mapping[int, str], expected: str) -> LabelAbsent:
    got = _listed(present, levels) or "an empty segmentation"
    return LabelAbsent(
        f"Choose a segment that is present. Present: {got}.",
        expected=expected,
        got=got,
        labels_present=list(present),
    )


def _listed(present: Sequence[int], levels: Mapping[int, str]) -> str:
    named = [f"{number} ({levels[number]})" if number in levels else str(number) for number in present[:MOST_NAMED]]
    return ", ".join(named) + (", …" if len(present) > MOST_NAMED else "")

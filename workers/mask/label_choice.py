"""Choose the label of the vertebra in a label map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from app.contract.errors import LabelAbsent, LabelAmbiguous
from app.contract.numbering import CONVENTION_NAMES, MaskConvention
from app.contract.params import JobParams
from workers.imaging.volume import Volume
from workers.mask.conventions import label_of_level, level_in
from workers.mask.numbering import Reading, possible_conventions

MOST_NAMED = 40
"""Labels that an error lists."""
_CHUNK = 1 << 24  # voxels looked at in one go, to bound memory


def labels_present(mask: Volume) -> list[int]:
    """Return the sorted labels of `mask`, without 0."""
    present = np.zeros(int(np.iinfo(mask.voxels.dtype).max) + 1, bool)
    flat = mask.voxels.ravel(order="K")
    for start in range(0, flat.size, _CHUNK):
        present[flat[start : start + _CHUNK]] = True
    return [int(n) for n in np.flatnonzero(present) if n > 0]


def select_label(present: Sequence[int], readings: Mapping[MaskConvention, Reading], params: JobParams) -> int:
    """Return the label of the vertebra: the one asked for, the only one, or that of the level the client states.

    Parameters
    ----------
    present
        Labels of the map.
    readings
        How the map reads in each convention (`workers.mask.numbering.read_labels`).
    params
        What the client asked for. A stated level chooses a label only where the client states the convention, or where
        the map leaves one alone.

    Raises
    ------
    LabelAbsent
        The mask does not have the label, or is empty.
    LabelAmbiguous
        The request names no label and the mask has several.
    """
    convention, wanted = _convention(readings, params), params.mask_label
    if wanted is None and len(present) == 1:
        return present[0]
    if wanted is None and convention and params.vertebra_stated:
        wanted = label_of_level(convention, params.vertebra_stated)
    if wanted is not None and wanted in present:
        return wanted
    got = _listed(present, convention, possible_conventions(readings)) or "an empty mask"
    if wanted is None and present:
        raise LabelAmbiguous(
            f"Say with mask_label which label is the vertebra. Present: {got}.",
            expected="mask_label, or a mask with a single label",
            got=f"{len(present)} labels",
            labels_present=list(present),
        )
    raise LabelAbsent(
        f"Choose a label that is present. Present: {got}.",
        expected=f"label {wanted}" if wanted is not None else "a label",
        got=got,
        labels_present=list(present),
    )


def select_numbered(present: Sequence[int], readings: Mapping[MaskConvention, Reading], params: JobParams) -> int:
    """Return the label that has the number of the stated level, where the job asks for several levels.

    Parameters are those of `select_label`. A map of one label is not taken for each of the levels.

    Raises
    ------
    LabelAmbiguous
        Neither the map nor the client tells the convention.
    LabelAbsent
        The map does not have the label.
    """
    convention, level = _convention(readings, params), params.vertebra_sought
    if convention is None:
        left = possible_conventions(readings)
        raise LabelAmbiguous(
            "Say with mask_convention how the labels are numbered, or ask for one level with mask_label. Present: "
            f"{_listed(present, None, left) or 'an empty mask'}.",
            expected="labels that tell their convention, or mask_convention",
            got=" or ".join(CONVENTION_NAMES[name] for name in left) or "none that is known",
            labels_present=list(present),
        )
    label = label_of_level(convention, level)
    if label is None or label not in present:
        raise LabelAbsent(
            f"The mask has no {level}. Present: {_listed(present, convention, [])}.",
            expected=f"{level}, label {label}",
            got=_listed(present, convention, []) or "an empty mask",
            labels_present=list(present),
        )
    return label


def _convention(readings: Mapping[MaskConvention, Reading], params: JobParams) -> MaskConvention | None:
    """Return the convention that the client states, or the one that the map leaves alone."""
    if params.mask_convention != "auto":
        return params.mask_convention
    left = possible_conventions(readings)
    return left[0] if len(left) == 1 else None


def _listed(present: Sequence[int], convention: MaskConvention | None, left: Sequence[MaskConvention]) -> str:
    """Return the labels with their levels: in the one convention that counts, or in those that are possible."""
    conventions = [convention] if convention else left
    named = ", ".join(_described(label, conventions) for label in present[:MOST_NAMED])
    more = ", …" if len(present) > MOST_NAMED else ""
    where = f" in {CONVENTION_NAMES[convention]} numbering" if convention and present else ""
    return named + more + where


def _described(label: int, conventions: Sequence[MaskConvention]) -> str:
    levels = {convention: level for convention in conventions if (level := level_in(convention, label))}
    if not levels:
        return str(label)
    if len(conventions) == 1:
        return f"{label} ({', '.join(levels.values())})"
    return f"{label} ({', '.join(f'{level} in {CONVENTION_NAMES[name]}' for name, level in levels.items())})"

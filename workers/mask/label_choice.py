"""Choose the label of the vertebra in a label map."""

from __future__ import annotations

import numpy as np

from app.contract.errors import LabelAbsent, LabelAmbiguous
from workers.imaging.volume import Volume
from workers.mask.conventions import CONVENTIONS, level_names

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


def select_label(mask: Volume, label: int | None, vertebra: str) -> int:
    """Return the label of the vertebra: the one asked for, or the only one in the mask.

    VerSe and TotalSegmentator count in opposite directions and their ranges overlap, so the numbers alone do not say
    which level a label is. This function does not guess.

    Parameters
    ----------
    mask
        The label map.
    label
        ``mask_label`` of the request.
    vertebra
        Level asked for, e.g. "L1". It is used only to word the error.

    Raises
    ------
    LabelAbsent
        The mask does not have `label`, or is empty.
    LabelAmbiguous
        `label` is None and the mask has several labels.
    """
    present = labels_present(mask)
    if label is None and len(present) == 1:
        return present[0]
    if label in present:
        return int(label)
    more = ", …" if len(present) > MOST_NAMED else ""
    got = ", ".join(_described(n) for n in present[:MOST_NAMED]) + more or "an empty mask"
    if label is None and present:
        raise LabelAmbiguous(
            f"Say with mask_label which label is the vertebra; {_hint(vertebra)}. Present: {got}.",
            expected="mask_label, or a mask with a single label",
            got=f"{len(present)} labels",
            labels_present=present,
        )
    raise LabelAbsent(
        f"Choose a label that is present; {_hint(vertebra)}. Present: {got}.",
        expected=f"label {label}" if label is not None else "a label",
        got=got,
        labels_present=present,
    )


def _hint(vertebra: str) -> str:
    """Return which numbers the level has in the known conventions."""
    numbers = [
        f"{n} in {convention} numbering"
        for convention, levels in CONVENTIONS.items()
        for n, level in levels.items()
        if level == vertebra
    ]
    return f"{vertebra} is {' and '.join(numbers)}" if numbers else "see the list of labels present"


def _described(label: int) -> str:
    names = ", ".join(f"{level} in {convention}" for convention, level in level_names(label).items())
    return f"{label} ({names})" if names else str(label)

"""Checks a list of one's own cases before hours are spent on it: every line, with the checks that a job makes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.contract.errors import LabelAbsent, VertebraError
from app.contract.params import LEVELS
from training.shapes.manifest import Case, read_manifest
from training.shapes.sources import ANY_LABEL
from workers.imaging.volume import Volume, read_ct, read_mask
from workers.mask.bone_contrast import check_on_bone
from workers.mask.cleaning import clean_mask
from workers.mask.field_of_view import check_field_of_view
from workers.mask.label_places import label_places
from workers.mask.numbering import read_labels
from workers.mask.plausibility import check_vertebra

MOST_LABELS_TOLD = 20
"""Of a mask without the number that is wanted: a whole label map has 117."""


@dataclass(frozen=True)
class CheckedCase:
    """What was found of a case.

    Attributes
    ----------
    case
        The case.
    volume_cm3
        Of the vertebra, cm³; 0 where it cannot be read.
    fault
        Why it is no case to train with, in words; None where nothing was found.
    """

    case: Case
    volume_cm3: float
    fault: str | None


def print_check(path: Path, levels: tuple[str, ...] = LEVELS) -> bool:
    """Print a line for each case of a list; return whether all may be trained with.

    Raises
    ------
    ManifestError
        As `read_manifest`.
    """
    checked = list(check_cases(read_manifest(path, levels)))
    for each in checked:
        case = each.case
        told = each.fault or f"{each.volume_cm3:.1f} cm³, {'with' if case.ct else 'without'} CT"
        print(f"line {case.line}: {case.person} {case.level}: {told}")
    faults = sum(each.fault is not None for each in checked)
    people = len({each.case.person for each in checked})
    print(f"{path}: {len(checked)} cases of {people} people; {faults or 'none'} of them cannot be trained with")
    return faults == 0


def check_cases(cases: tuple[Case, ...]) -> Iterator[CheckedCase]:
    """Yield what is found of each case, in their order. Neighbouring cases of one CT and mask are read once."""
    for (ct_path, mask_path), same in itertools.groupby(cases, lambda case: (case.ct, case.mask)):
        try:
            mask, ct = read_mask(mask_path), read_ct(ct_path) if ct_path else None
        except VertebraError as error:
            yield from (CheckedCase(case, 0.0, _told(error)) for case in same)
            continue
        contradictions = _contradictions(mask)
        for case in same:
            try:
                checked = CheckedCase(case, _volume_cm3(case, mask, ct), None)
            except VertebraError as error:
                checked = CheckedCase(case, 0.0, _told(error))
            against = contradictions.get(case.convention)
            if against and checked.fault is None:
                checked = replace(checked, fault=f"the mask does not follow {case.convention}: {against}")
            yield checked


def _contradictions(mask: Volume) -> dict[str, str]:
    """Return what in a mask contradicts each convention; a mask of one vertebra contradicts none."""
    readings = read_labels(label_places(mask))
    return {name: each.fault for name, each in readings.items() if each.fault and each.n_vertebrae > 1}


def _volume_cm3(case: Case, mask: Volume, ct: Volume | None) -> float:
    """Return the volume of a case's vertebra, cm³. Raise `InputError` if it is not one whole vertebra on bone."""
    chosen = mask.voxels > 0 if case.labels == ANY_LABEL else np.isin(mask.voxels, case.labels)
    if not chosen.any():
        present = np.unique(mask.voxels)
        held = ", ".join(map(str, present[present > 0][:MOST_LABELS_TOLD])) or "nothing"
        raise LabelAbsent(f"{case.mask} has no voxel {case.labels[0]}, which is {case.level}; it holds {held}")
    piece = Volume(chosen.astype(np.uint8), mask.affine)
    check_field_of_view(piece, mask.grid, (ct or mask).grid)
    vertebra = clean_mask(piece, 1)
    check_vertebra(vertebra)
    if ct is not None:
        check_on_bone(vertebra, ct)
    return vertebra.volume_mm3 / 1000.0


def _told(error: VertebraError) -> str:
    """Return what is wrong, with what was expected and found."""
    measured = f" (expected {error.expected}, got {error.got})" if error.expected and error.got else ""
    return f"{error.detail}{measured}"

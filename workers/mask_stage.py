"""The stage that takes the vertebra from a mask that was sent."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.contract.numbering import Numbering
from app.contract.params import JobParams, ReportedLevel
from workers.imaging.grid import Grid
from workers.imaging.volume import Volume
from workers.mask.bone_contrast import AROUND_MM, check_on_bone
from workers.mask.cleaning import CleanMask, clean_mask
from workers.mask.field_of_view import check_field_of_view
from workers.mask.label_choice import labels_present, select_label
from workers.mask.label_piece import cut_out
from workers.mask.label_places import label_places
from workers.mask.level_of_label import level_of, number_label
from workers.mask.numbering import read_labels
from workers.mask.plausibility import check_vertebra

NEAR_LABEL_MM = 2.0 * max(AROUND_MM)
"""Planes of the CT that come so near to a label are kept: twice as far as they are looked at."""


@dataclass(frozen=True)
class Label:
    """A label of the mask that was sent.

    Attributes
    ----------
    number
        Its value in the mask.
    piece
        Its largest piece (`workers.mask.label_piece.cut_out`).
    grid
        Of the whole mask.
    numbering
        What the number stands for, and what told it.
    level
        What the client states, or what the number stands for.
    """

    number: int
    piece: Volume
    grid: Grid
    numbering: Numbering
    level: ReportedLevel


def label_of(mask: Volume, params: JobParams) -> Label:
    """Return the label that the job asks for, cut out of the label map. It keeps nothing of the map itself.

    Raises
    ------
    LabelAbsent, LabelAmbiguous, LevelNotSupported, NotAVertebra, VertebraeFused
        As `workers.mask.label_choice.select_label`, `workers.mask.level_of_label.level_of` and
        `workers.mask.label_piece.cut_out`.
    """
    readings = read_labels(label_places(mask))
    number = select_label(labels_present(mask), readings, params)
    numbering = number_label(number, readings, params)
    level = level_of(numbering, params)
    return Label(number, cut_out(mask, number), mask.grid, numbering, level)


def vertebra_of_label(label: Label, ct: Volume, grid: Grid) -> CleanMask:
    """Return the one clean, whole, plausible vertebra of a label.

    Parameters
    ----------
    label
        Of the mask that was sent.
    ct, grid
        The CT near the label, HU, and the grid of the whole CT.

    Raises
    ------
    InputError
        The label is not one whole vertebra, or does not lie on bone of this CT.
    """
    check_field_of_view(label.piece, label.grid, grid)
    vertebra = replace(clean_mask(label.piece, 1), label=label.number)
    check_vertebra(vertebra)
    check_on_bone(vertebra, ct)
    return vertebra

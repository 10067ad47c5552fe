"""The stage that takes the vertebra from a mask that was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.contract.numbering import Numbering
from app.contract.params import JobParams, ReportedLevel
from workers.imaging.grid import Grid
from workers.imaging.volume import Volume
from workers.mask.bone_contrast import AROUND_MM, check_on_bone
from workers.mask.cleaning import CleanMask, clean_mask
from workers.mask.field_of_view import check_field_of_view
from workers.mask.label_choice import labels_present, select_label, select_numbered
from workers.mask.label_piece import cut_out
from workers.mask.label_places import label_places
from workers.mask.level_of_label import Readings, level_of, number_label
from workers.mask.numbering import read_labels
from workers.mask.plausibility import check_vertebra
from workers.mask.segment_choice import number_segment, segment_of_level, select_segment

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
    frames_apart_mm
        `Volume.frames_apart_mm` of the whole mask.
    """

    number: int
    piece: Volume
    grid: Grid
    numbering: Numbering
    level: ReportedLevel
    frames_apart_mm: float


@dataclass(frozen=True)
class LabelMap:
    """The mask that was sent, and what its labels tell.

    Attributes
    ----------
    mask
        All its voxels.
    present
        Its labels.
    readings
        How they read in each convention.
    levels
        What each label is, where the mask was a DICOM segmentation whose segments say it; else empty.
    """

    mask: Volume
    present: list[int]
    readings: Readings
    levels: Mapping[int, str]

    def tells_levels(self, params: JobParams) -> bool:
        """Whether the segments' own levels count: they are there, and the client states no numbering."""
        return bool(self.levels) and params.mask_convention == "auto"


def read_label_map(mask: Volume, levels: Mapping[int, str] | None = None) -> LabelMap:
    """Return a mask with what its labels tell; ``levels`` as in `LabelMap`."""
    return LabelMap(mask, labels_present(mask), read_labels(label_places(mask)), levels or {})


def take_label(labels: LabelMap, params: JobParams) -> Label:
    """Return the label that a job of one level asks for, cut out of the label map. It keeps nothing of the map itself.

    Raises
    ------
    LabelAbsent, LabelAmbiguous, LevelNotSupported, NotAVertebra, VertebraeFused
        As `workers.mask.label_choice.select_label`, `workers.mask.level_of_label.level_of` and
        `workers.mask.label_piece.cut_out`.
    """
    if labels.tells_levels(params):
        number = select_segment(labels.present, labels.levels, params)
        numbering = number_segment(number, labels.levels)
    else:
        number = select_label(labels.present, labels.readings, params)
        numbering = number_label(number, labels.readings, params)
    level = level_of(numbering, params)
    grid, apart = labels.mask.grid, labels.mask.frames_apart_mm
    return Label(number, cut_out(labels.mask, number), grid, numbering, level, apart)


def take_numbered_label(labels: LabelMap, params: JobParams) -> Label:
    """Return the label of one level of a job with several: the one that has its number in the map's convention.

    Raises
    ------
    LabelAmbiguous
        Neither the map nor the client tells the convention.
    LabelAbsent
        The level has no number in the convention, or the map not this label.
    """
    if labels.tells_levels(params):
        numbered = segment_of_level(labels.present, labels.levels, params.vertebra_sought)
    else:
        numbered = select_numbered(labels.present, labels.readings, params)
    return take_label(labels, params.model_copy(update={"mask_label": numbered}))


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

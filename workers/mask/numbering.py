"""Which convention the numbers of a label map follow, told by the map itself.

In each convention the labels are read as levels. A reading is contradicted by the file where the levels do not follow
each other down the spine, where neighbours are too near or too far for those levels, where a vertebra is too large, or
where their sizes run the wrong way. A convention is taken only if it is the one reading that is left.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.contract.numbering import MaskConvention
from workers.locate.levels import LEVELS
from workers.mask.conventions import CONVENTIONS
from workers.mask.label_places import LabelPlace

ORDER = ("C1", "C2", *LEVELS[:17], "T13", *LEVELS[17:22], "L6", "S1", "sacrum")
"""Every level that a convention numbers, from top to bottom."""
PITCH_OF_LEVEL_MM = np.array([16, 16, 16, 17, 20] + [22] * 9 + [26, 29, 32] + [33] * 5, np.float64)
"""From the centroid of each level's whole vertebra to the next one's, by `LEVELS`: medians of the label maps of six
people (T2 to L5; processes count, so it is not the distance of the bodies); above that the distance of the bodies."""
PITCH_RATIO = (0.6, 1.25)
"""Median distance of neighbours over the usual one: from that of a child of six years to more than in six adults
(0.76, two of three vertebrae cut, to 1.10). Lumbar vertebrae of adults read as thoracic ones have 1.32 and more; those
of a child fit both."""
LARGEST_VERTEBRA_CM3 = 140.0
"""Of whole vertebrae up to 86 cm³ were measured; a sacrum has about 195."""
CM3_OF_LEVEL = np.interp(np.arange(len(LEVELS)), [5, 6, 15, 17, 20, 22], [27.0, 28.0, 48.0, 61.0, 74.0, 74.0])
"""Volume of a vertebra, by `LEVELS`: a smooth curve through the whole ones of two people (T2 to L5)."""
SIZE_RATIO = (0.2, 1.9)
"""Median volume of the whole vertebrae over `CM3_OF_LEVEL`: cubes of `PITCH_RATIO`. Six people: 0.75 to 1.15."""
SIZE_TREND = (0.6, 1.7)
"""Lowest over highest whole vertebra, in volume, over the same of `CM3_OF_LEVEL`. Measured on four people with up to 17
levels, also with a compressed L1: 0.86 to 1.2."""
LEAST_STEPS = 2
"""Levels between the lowest and the highest vertebra from which their sizes count."""


@dataclass(frozen=True)
class Reading:
    """A label map read in one convention.

    Attributes
    ----------
    convention
        Which.
    column
        The labels that are vertebrae in it, from top to bottom as it names them.
    n_vertebrae
        How many of them are vertebrae above the sacrum.
    fault
        What in the file contradicts it, in words; None where nothing does.
    """

    convention: MaskConvention
    column: tuple[LabelPlace, ...]
    n_vertebrae: int
    fault: str | None


def read_labels(places: Sequence[LabelPlace]) -> dict[MaskConvention, Reading]:
    """Return how the labels of a map read in each convention."""
    return {convention: _read(convention, places) for convention in CONVENTIONS}


def _read(convention: MaskConvention, places: Sequence[LabelPlace]) -> Reading:
    levels = CONVENTIONS[convention]
    known = [place for place in places if levels.get(place.label) in ORDER]
    column = tuple(sorted(known, key=lambda place: ORDER.index(levels[place.label])))
    checks = (_check_number, _check_order, _check_pitch, _check_size, _check_trend)
    fault = next((fault for check in checks if (fault := check(column, levels))), None)
    return Reading(convention, column, len(_vertebrae(column, levels)), fault)


def _vertebrae(column: Sequence[LabelPlace], levels: Mapping[int, str]) -> list[tuple[int, LabelPlace]]:
    """Return those from C3 to L5 with their place in `LEVELS`."""
    return [(LEVELS.index(levels[p.label]), p) for p in column if levels[p.label] in LEVELS[:-1]]


def _check_number(column: Sequence[LabelPlace], levels: Mapping[int, str]) -> str | None:
    return None if len(_vertebrae(column, levels)) >= 2 else "fewer than two of its vertebrae are there"


def _check_order(column: Sequence[LabelPlace], levels: Mapping[int, str]) -> str | None:
    for above, below in itertools.pairwise(column):
        if above.centre[2] <= below.centre[2]:
            low, high = (f"{place.label} ({levels[place.label]})" for place in (above, below))
            return f"{high} lies above {low}"
    return None


def _check_pitch(column: Sequence[LabelPlace], levels: Mapping[int, str]) -> str | None:
    ratio, pitch = _pitch(column, levels)
    if PITCH_RATIO[0] <= ratio <= PITCH_RATIO[1]:
        return None
    return f"its vertebrae would lie {pitch:.0f} mm apart, and {pitch / ratio:.0f} mm is usual there"


def _pitch(column: Sequence[LabelPlace], levels: Mapping[int, str]) -> tuple[float, float]:
    """Return the median distance of neighbours, a level, over the usual one, and that distance in mm."""
    named = [(level, place.centre) for level, place in _vertebrae(column, levels)]
    ratios, pitches = [], []
    for (a, above), (b, below) in itertools.pairwise(named):
        distance = float(np.linalg.norm(above - below))
        ratios.append(distance / PITCH_OF_LEVEL_MM[a:b].sum())
        pitches.append(distance / (b - a))
    middle = int(np.argsort(ratios)[len(ratios) // 2])
    return ratios[middle], pitches[middle]


def _check_size(column: Sequence[LabelPlace], levels: Mapping[int, str]) -> str | None:
    for place in column:
        if place.cm3 > LARGEST_VERTEBRA_CM3 and levels[place.label] != "sacrum":
            return f"{place.label} ({levels[place.label]}) has {place.cm3:.0f} cm³, more than a vertebra"
    return None


def _check_trend(column: Sequence[LabelPlace], levels: Mapping[int, str]) -> str | None:
    whole = [(level, place.cm3) for level, place in _vertebrae(column, levels) if not place.cut]
    if not whole:
        return None
    ratios = np.array([cm3 / CM3_OF_LEVEL[level] for level, cm3 in whole])
    (top, high), (bottom, low) = whole[0], whole[-1]
    if not SIZE_RATIO[0] <= float(np.median(ratios)) <= SIZE_RATIO[1]:
        return f"{LEVELS[top]} would have {high:.0f} cm³, and {CM3_OF_LEVEL[top]:.0f} cm³ is usual"
    if bottom - top < LEAST_STEPS or SIZE_TREND[0] <= ratios[-1] / ratios[0] <= SIZE_TREND[1]:
        return None
    return f"{LEVELS[bottom]} would have {low:.0f} cm³ and {LEVELS[top]} {high:.0f} cm³"


def possible_conventions(readings: Mapping[MaskConvention, Reading]) -> list[MaskConvention]:
    """Return the conventions that the file does not contradict; of several those that name most labels."""
    left = [reading for reading in readings.values() if reading.fault is None]
    most = max((len(reading.column) for reading in left), default=0)
    return [reading.convention for reading in left if len(reading.column) == most]

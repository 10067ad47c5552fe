"""Slices that lie in parallel and have one raster: what may be a volume. A series holds one such stack, or several."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.contract.dicom_series import DicomSeries, Orientation, series_id
from app.contract.errors import BadSeries
from models.types import Floats
from workers.dicom.slices import CT_CLASSES, Slice
from workers.imaging.nifti_header import Limits

SAME_DIRECTION = 1e-3
"""Largest difference of a direction cosine: 0.06°. Headers round them to six digits and more."""
SAME_SPACING_MM = 1e-4
SAME_PLACE_MM = 0.01
"""Slices nearer than that lie at one place; no scanner reconstructs so densely."""
MAX_STACKS = 300
"""Of one upload; a study has a few tens of series."""
ALONG_AXIS = np.cos(np.radians(35.0))
"""Slices tilted by up to 35° count as axial: a gantry tilts by up to 30°, and the spine's lordosis asks for no more."""
MAX_KERNEL_LETTERS = 24
PROJECTIONS = {"MIP", "MINIP", "PROJECTION IMAGE", "VOLUME RENDERING", "RENDERING"}


@dataclass(frozen=True)
class Stack:
    """Slices with one orientation, raster and series, along their normal.

    Attributes
    ----------
    id
        As `app.contract.dicom_series.DicomSeries` has it.
    slices
        Sorted along the normal where their places are known.
    """

    id: str
    slices: tuple[Slice, ...]

    @property
    def first(self) -> Slice:
        """The lowest slice along the normal, from which the stack takes what all have in common."""
        return self.slices[0]

    @property
    def places(self) -> Floats:
        """(n, 3) mm LPS."""
        return np.array([each.place for each in self.slices], np.float64)

    @property
    def heights(self) -> Floats:
        """(n,) mm: where the slices lie along their normal, ascending."""
        return np.asarray(self.places @ normal_of(self.first), np.float64)


def normal_of(one: Slice) -> Floats:
    """Return the unit normal (3,) of a slice, LPS: that of its rows and columns as right-handed axes."""
    normal = np.cross(np.array(one.rows), np.array(one.columns))
    return np.asarray(normal / np.linalg.norm(normal), np.float64)


def stacks_of(slices: list[Slice]) -> list[Stack]:
    """Sort slices into stacks, in the order of their files.

    Raises
    ------
    BadSeries
        There are more stacks than any study has.
    """
    groups: list[list[Slice]] = []
    for one in slices:
        group = next((group for group in groups if _belongs(one, group[0])), None)
        if group is None:
            groups.append(group := [])
        group.append(one)
        _check_count(groups)
    parts = [part for group in groups for part in _phases(group)]
    _check_count(parts)
    counts: dict[str, int] = {}
    stacks = []
    for part in parts:
        name = series_id(part[0].series_uid)
        counts[name] = counts.get(name, 0) + 1
        stacks.append(Stack(name if counts[name] == 1 else f"{name}-{counts[name]}", tuple(part)))
    return stacks


def _check_count(groups: list[list[Slice]]) -> None:
    if len(groups) > MAX_STACKS:
        raise BadSeries("Send the CT series alone.", expected=f"at most {MAX_STACKS} series", got="more")


def why_left_out(stack: Stack) -> str | None:
    """Return why a stack holds no CT that a job can read; None where it may hold one."""
    first, n = stack.first, len(stack.slices)
    kinds = {value.upper() for value in first.image_type}
    reasons = (
        (first.modality != "CT", "no CT"),
        (first.sop_class not in CT_CLASSES, "not stored as CT images"),
        ("LOCALIZER" in kinds, "a localizer"),
        (bool(kinds & PROJECTIONS), "a projection"),
        (
            first.place is None or first.rows is None or first.spacing_mm is None,
            "its slices have no place or direction",
        ),
        (n < Limits.min_side, "a single slice" if n == 1 else f"{n} slices"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def orientation_of(stack: Stack) -> Orientation | None:
    """Return how the slices of a stack lie in the patient."""
    if stack.first.rows is None:
        return None
    along = np.abs(normal_of(stack.first))
    names: tuple[Orientation, ...] = ("sagittal", "coronal", "axial")
    return next((name for name, share in zip(names, along, strict=True) if share >= ALONG_AXIS), "oblique")


def spacing_of(stack: Stack) -> float | None:
    """Return the median distance of neighbouring slices along their normal, mm; None where it is not known."""
    if stack.first.place is None or stack.first.rows is None or len(stack.slices) < 2:
        return None
    return float(np.median(np.diff(stack.heights)))


def describe(stack: Stack) -> DicomSeries:
    """Return a stack as clients see it. Of the header's texts it has only codes, shortened to what a code may be."""
    spacing = spacing_of(stack)
    return DicomSeries(
        id=stack.id,
        modality=_code(stack.first.modality) or "none",
        orientation=orientation_of(stack),
        slices=len(stack.slices),
        spacing_mm=None if spacing is None else round(spacing, 3),
        kernel=_code(stack.first.kernel),
        left_out=why_left_out(stack),
    )


def _code(text: str) -> str | None:
    kept = "".join(letter for letter in text if letter.isascii() and (letter.isalnum() or letter in "+-_./\\ "))
    return kept[:MAX_KERNEL_LETTERS].strip() or None


def _belongs(one: Slice, other: Slice) -> bool:
    """Whether two slices have one series, kind, raster and orientation."""
    if (one.series_uid, one.shape, one.sop_class) != (other.series_uid, other.shape, other.sop_class):
        return False
    if ("LOCALIZER" in one.image_type) != ("LOCALIZER" in other.image_type):
        return False
    pairs = ((one.rows, other.rows, SAME_DIRECTION), (one.columns, other.columns, SAME_DIRECTION))
    for a, b, limit in (*pairs, (one.spacing_mm, other.spacing_mm, SAME_SPACING_MM)):
        if (a is None) != (b is None):
            return False
        if a is not None and b is not None and not max(abs(x - y) for x, y in zip(a, b, strict=True)) <= limit:
            return False
    return (one.place is None) == (other.place is None)


def _phases(group: list[Slice]) -> list[list[Slice]]:
    """Sort the slices of a group along their normal; split it by phase where that tells slices at one place apart."""
    if group[0].place is None or group[0].rows is None:
        return [group]
    whole = _sorted(group)
    if not _share_places(whole):
        return [whole]
    by_phase: dict[tuple[str, ...], list[Slice]] = {}
    for one in whole:
        by_phase.setdefault(one.phase, []).append(one)
    parts = list(by_phase.values())
    return parts if len(parts) > 1 and not any(_share_places(part) for part in parts) else [whole]


def _sorted(group: list[Slice]) -> list[Slice]:
    normal = normal_of(group[0])
    return sorted(group, key=lambda one: float(np.dot(normal, np.array(one.place))))


def _share_places(group: list[Slice]) -> bool:
    heights = np.array([one.place for one in group]) @ normal_of(group[0])
    return bool((np.diff(heights) < SAME_PLACE_MM).any())

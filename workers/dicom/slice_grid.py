"""From the places of slices to one grid: the affine, and which slices each of its planes is made of.

The grid has the slices' own planes wherever they lie evenly. A gantry tilt needs no resampling then: the third column
of the affine runs along the line on which the slices lie, and that is not their normal (PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.contract.errors import BadSeries
from models.types import Floats
from workers.dicom.stacks import Stack, normal_of

EVEN_SHARE = 0.1
"""Of the spacing: slices nearer than that to even places count as even. Headers round 0.625 mm to 0.6 or 0.63; a plane
that is moved by a tenth changes less than interpolation between two would."""
OFF_LINE_MM = 0.1
"""Distance of a slice from the line through the first and the last; rounding to 0.1 mm stays below it."""
MAX_GAP_MM = 5.0
"""Widest gap that is interpolated: CTs of spines with slices of 5 mm are in use, and no pedicle hides in it."""
ROUNDING = 1e-3
"""Share of a plane by which the last one may lie beyond the last slice."""
TO_RAS = np.diag([-1.0, -1.0, 1.0])
"""DICOM's x points left and its y to the back; NIfTI's to the right and to the front."""


@dataclass(frozen=True)
class Plane:
    """One plane of the grid: a share of slice `below`, and the rest of the next slice."""

    below: int
    share_of_next: float = 0.0


@dataclass(frozen=True)
class SliceGrid:
    """Where the planes of a volume lie.

    Attributes
    ----------
    affine
        (4, 4) float64: column, row, plane to RAS+ mm.
    planes
        Along the third axis.
    tilt_deg
        Angle between the slices' normal and the third axis.
    resampled_to_mm
        Spacing of the planes where they are not the slices; else None.
    """

    affine: Floats
    planes: tuple[Plane, ...]
    tilt_deg: float
    resampled_to_mm: float | None


def grid_of(stack: Stack) -> SliceGrid:
    """Return the grid of a stack without repeated slices.

    Raises
    ------
    BadSeries
        Slices are missing or lie along a curve.
    """
    rows, columns = np.array(stack.first.rows), np.array(stack.first.columns)
    places = stack.places
    line = places[-1] - places[0]
    length = float(np.linalg.norm(line))
    line /= length
    along = (places - places[0]) @ line
    _check_line(places, along, line)
    planes, step = _planes(along)
    affine = np.eye(4)
    row_mm, column_mm = stack.first.spacing_mm or (0.0, 0.0)
    affine[:3, :3] = TO_RAS @ np.column_stack([rows * column_mm, columns * row_mm, line * step])
    affine[:3, 3] = TO_RAS @ places[0]
    tilt = np.degrees(np.arccos(np.clip(line @ normal_of(stack.first), -1.0, 1.0)))
    native = all(plane.share_of_next == 0.0 for plane in planes) and len(planes) == len(places)
    return SliceGrid(affine, planes, float(tilt), None if native else step)


def _check_line(places: Floats, along: Floats, line: Floats) -> None:
    off = np.linalg.norm(places - places[0] - along[:, None] * line, axis=1)
    if off.max() > OFF_LINE_MM:
        raise BadSeries(
            "The slices do not lie along a straight line, as if the table or the scanner had moved. Export one "
            "acquisition alone.",
            expected=f"at most {OFF_LINE_MM:g} mm from the line",
            got=f"{off.max():.2f} mm",
        )


def _planes(along: Floats) -> tuple[tuple[Plane, ...], float]:
    """Return the planes of slices that lie at `along` (n,), mm, from 0 on, and the planes' spacing, mm."""
    n = len(along)
    even = along[-1] / (n - 1)
    if np.abs(along - even * np.arange(n)).max() <= EVEN_SHARE * even:
        return tuple(Plane(k) for k in range(n)), float(even)
    gaps = np.diff(along)
    step = float(np.median(gaps))
    wide = gaps > max(MAX_GAP_MM, (1.0 + EVEN_SHARE) * step)
    if wide.any():
        raise BadSeries(
            "Slices are missing. Export the whole series again.",
            expected=f"slices every {step:.3g} mm, or gaps of at most {MAX_GAP_MM:g} mm",
            got=f"{int(wide.sum())} wider gaps, up to {gaps.max():.3g} mm",
        )
    at = step * np.arange(int(along[-1] / step + ROUNDING) + 1)
    below = np.clip(np.searchsorted(along, at, side="right") - 1, 0, n - 2)
    shares = np.clip((at - along[below]) / gaps[below], 0.0, 1.0)
    return tuple(Plane(int(k), float(share)) for k, share in zip(below, shares, strict=True)), step

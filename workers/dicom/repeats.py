"""Slices that were sent twice, as happens where a folder holds two exports of one series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.contract.errors import BadSeries
from workers.dicom.slice_values import stored_values
from workers.dicom.slices import Slice
from workers.dicom.stacks import SAME_PLACE_MM, Stack
from workers.imaging.nifti_header import Limits


def without_repeats(stack: Stack) -> tuple[Stack, int]:
    """Return a stack with one slice at each place, and how many were dropped because they equal it.

    Raises
    ------
    BadSeries
        Slices at one place differ, or too few places are left.
    """
    kept: list[Slice] = []
    heights: list[float] = []
    for one, height in zip(stack.slices, stack.heights, strict=True):
        if kept and height - heights[-1] < SAME_PLACE_MM:
            _check_equal(one, kept[-1])
            continue
        kept.append(one)
        heights.append(float(height))
    if len(kept) < Limits.min_side:
        raise BadSeries("Send the whole CT series.", expected=f"at least {Limits.min_side} slices", got=f"{len(kept)}")
    return replace(stack, slices=tuple(kept)), len(stack.slices) - len(kept)


def _check_equal(one: Slice, other: Slice) -> None:
    same_place = np.allclose(np.array(one.place), np.array(other.place), rtol=0.0, atol=SAME_PLACE_MM)
    same_values = (one.slope, one.intercept) == (other.slope, other.intercept)
    if not (same_place and same_values and np.array_equal(stored_values(one), stored_values(other))):
        raise BadSeries(
            "Two slices of the series lie at one height and differ, as in a series of several phases. Send one phase.",
            expected="one slice at each place",
            got="different slices at one place",
        )

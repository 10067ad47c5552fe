"""Walk along the spine axis from body to body, with the segmenter's eyes.

On voxels of 4 mm discs can hardly be seen, so the locator knows a level to half a vertebra only. The segmenter outlines
one vertebra alone when it is shown a point in it. The centre of that body is exact, and the next body lies about one
pitch further along.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.types import Floats
from workers.locate.levels import LEVELS, PITCH_MM
from workers.locate.spine_axis import SpineAxis

FindBody = Callable[[Floats], Floats | None]
"""From a point (3,) mm to the centre (3,) mm of the vertebral body in or beside which it lies; None without one."""
MOST_LOOKS, SETTLED_MM = 4, 5.0
"""The segmenter is asked again from the centre that it found, until that moves less than this. Seen from its own centre
a body is sure; seen from between two, both may be taken for one."""
STEADY_MM = 6.0
"""A first body must be found again from so far above and below."""
OFF_AXIS_MM = 20.0
"""A body centre further from the axis, in the axial plane, is no vertebral body."""
NEAREST, NEXT, FURTHEST = 0.6, 1.3, 2.5
"""Distance of bodies that follow each other, in units of the expected pitch. Where none is found as near as `NEXT`, one
between may have been missed."""
TRIES = (1.0, 0.75, 1.3, 2.0)
"""Where the next body is looked for, in units of the expected pitch."""
SAME_MM = 10.0
"""Centres nearer than this are of one body."""


def walk_spine(axis: SpineAxis, start: Floats, level: str, find_body: FindBody, above: int, below: int) -> list[Floats]:
    """Return the centres (3,) mm of the bodies around `start`, from top to bottom.

    Parameters
    ----------
    axis
        Where the spine runs.
    start
        (3,) mm, near the body that may be `level`.
    level
        What that body may be. It says how far its neighbours are.
    find_body
        Finds a body's centre.
    above, below
        Largest numbers of bodies to look for in both directions.
    """
    first = _settle(axis, start, [], find_body)
    if first is None or not _is_steady(axis, first, find_body):
        return []
    rank = LEVELS.index(level)
    row = [first]
    for direction, most in ((1, above), (-1, below)):
        last, pitch = first, 0.0
        for number in range(1, most + 1):
            usual = float(PITCH_MM[np.clip(rank - direction * number - (direction < 0), 0, len(PITCH_MM) - 1)])
            expected = 0.5 * (pitch + usual) if pitch else usual
            centre = _next_body(axis, row, direction, expected, find_body, last)
            if centre is None:
                break
            away = float(np.linalg.norm(centre - last))
            pitch, last = away / max(round(away / expected), 1), centre
            row.append(centre)
    return sorted(row, key=lambda centre: -centre[2])


def _is_steady(axis: SpineAxis, centre: Floats, find_body: FindBody) -> bool:
    """Whether a body is found again from above and from below. A centre between two bodies leads to another."""
    for off in (-STEADY_MM, STEADY_MM):
        point = axis.along(centre, off)
        again = None if point is None else find_body(point)
        if again is None or np.linalg.norm(again - centre) > SETTLED_MM:
            return False
    return True


def _next_body(
    axis: SpineAxis, row: list[Floats], direction: int, pitch: float, find_body: FindBody, last: Floats
) -> Floats | None:
    """Return the body after `last`, upwards (1) or downwards (-1): the next one, else the one beyond a missed one."""
    beyond: Floats | None = None
    for share in TRIES:
        guess = axis.along(last, direction * share * pitch)
        centre = None if guess is None else _settle(axis, guess, row, find_body)
        if centre is None or direction * (centre[2] - last[2]) <= 0.0:
            continue
        away = float(np.linalg.norm(centre - last)) / pitch
        if NEAREST < away < NEXT:
            return centre
        if NEXT <= away < FURTHEST and beyond is None:
            beyond = centre
    return beyond


def _settle(axis: SpineAxis, point: Floats, row: list[Floats], find_body: FindBody) -> Floats | None:
    """Return the centre of the body at a point; None where it is one of `row` already or too far beside the spine."""
    for _ in range(MOST_LOOKS):
        centre = find_body(point)
        if centre is None or axis.distance_beside(centre) > OFF_AXIS_MM:
            return None
        if any(np.linalg.norm(centre - other) < SAME_MM for other in row):
            return None
        if np.linalg.norm(centre - point) < SETTLED_MM:
            return centre
        point = centre
    return None

"""Walk along the spine from body to body: the coarse network says where the spine runs, the segmenter where bodies are.

On voxels of 4 mm discs can hardly be seen, so the coarse network knows a level to half a vertebra only. The segmenter,
shown a point in a vertebra, delineates that vertebra alone; the centre of its body is exact, and the next one lies
about one vertebra's pitch further along.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from models.types import Floats, Singles
from workers.locate.level_model import LEVELS, PITCH_MM

Look = Callable[[Floats], Floats | None]
"""From a point (3,) mm to the centre (3,) mm of the vertebral body it lies in or beside, None where there is none."""
MOST_LOOKS, SETTLED_MM = 4, 5.0
"""A look is repeated from the centre that it found if that is further away: seen from its own centre a body is sure,
from between two, both may be taken for one."""
STEADY_MM = 6.0
OFF_AXIS_MM, FOLLOWED_MM = 20.0, 10.0
"""In the axial plane: how far a body's centre may be from the axis, and how far of that the next guess is put off."""
LEAST_MARK = 0.3
"""Of the coarse network's mark, in the spine."""
SMOOTH_MM = 12.0
BEYOND_MM = 30.0
"""How far the axis goes on straight beyond what is marked: a last body may not be."""
JOINED = 4
"""Voxels that marked regions of one spine may each be grown by to meet."""
NEAREST, NEXT, FURTHEST = 0.6, 1.3, 2.5
"""Distance of bodies that follow each other, in units of the pitch that is expected; where none is found as near as
`NEXT`, one between may have been missed."""
TRIES = (1.0, 0.75, 1.3, 2.0)
"""Where the next body is looked for, in units of the pitch."""
SAME_MM = 10.0


@dataclass(frozen=True)
class Axis:
    """Where the spine runs: ``points`` (n, 3) mm from bottom to top."""

    points: Floats

    def along(self, start: Floats, distance: float) -> Floats | None:
        """Return the point (3,) at `distance` mm above (below where negative) `start` (3,).

        None further than `BEYOND_MM` beyond the ends.
        """
        index = int(np.linalg.norm(self.points - start, axis=1).argmin())
        length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.points, axis=0), axis=1))])
        wanted = length[index] + distance
        inside = float(np.clip(wanted, 0.0, length[-1]))
        if abs(wanted - inside) > BEYOND_MM:
            return None
        on_axis = np.array([np.interp(inside, length, self.points[:, a]) for a in range(3)])
        if wanted != inside:
            inner = np.array([np.interp(abs(inside - BEYOND_MM), length, self.points[:, a]) for a in range(3)])
            on_axis += abs(wanted - inside) * (on_axis - inner) / max(float(np.linalg.norm(on_axis - inner)), 1e-6)
        beside = (start - self.points[index]) * [1.0, 1.0, 0.0]
        return np.asarray(on_axis + beside * min(1.0, FOLLOWED_MM / max(float(np.linalg.norm(beside)), 1e-6)))

    def beside(self, point: Floats) -> float:
        """Return how far a point (3,) mm is from the axis in the axial plane, mm."""
        index = int(np.abs(self.points[:, 2] - point[2]).argmin())
        return float(np.linalg.norm((point - self.points[index])[:2]))


def trace_axis(mark: Singles, affine: Floats) -> Axis | None:
    """Return where the spine runs: through the largest region that is marked, slice by slice; None without one."""
    marked = mark > LEAST_MARK
    pieces, count = ndimage.label(ndimage.binary_dilation(marked, iterations=JOINED))
    if not count:
        return None
    sizes = ndimage.sum_labels(marked, pieces, np.arange(1, count + 1))
    own = marked & (pieces == int(np.argmax(sizes)) + 1)
    spine = np.where(own, np.square(mark), 0.0).astype(np.float64)
    weight = spine.sum(axis=(0, 1))
    heights = np.flatnonzero(weight > 0.0)
    i, j = np.ogrid[: spine.shape[0], : spine.shape[1]]
    voxels = np.array(
        [[(spine[:, :, k] * i).sum() / weight[k], (spine[:, :, k] * j).sum() / weight[k], k] for k in heights]
    )
    points = voxels @ affine[:3, :3].T + affine[:3, 3]
    step = float(np.linalg.norm(affine[:3, 2]))
    points[:, :2] = ndimage.gaussian_filter1d(points[:, :2], SMOOTH_MM / step, axis=0, mode="nearest")
    return Axis(points)


def walk(axis: Axis, start: Floats, level: str, look: Look, above: int, below: int) -> list[Floats]:
    """Return the centres (3,) mm of the bodies around `start`, from top to bottom.

    Parameters
    ----------
    axis
        Where the spine runs.
    start
        (3,) mm, near the body that may be `level`.
    level
        What it may be: says how far its neighbours are.
    look
        Finds a body's centre.
    above, below
        Largest numbers of bodies to look for in both directions.
    """
    first = _settle(axis, start, [], look)
    if first is None or not _steady(axis, first, look):
        return []
    rank = LEVELS.index(level)
    row = [first]
    for direction, most in ((1, above), (-1, below)):
        last, pitch = first, 0.0
        for number in range(1, most + 1):
            usual = float(PITCH_MM[np.clip(rank - direction * number - (direction < 0), 0, len(PITCH_MM) - 1)])
            expected = 0.5 * (pitch + usual) if pitch else usual
            found = _next(axis, row, last, direction, expected, look)
            if found is None:
                break
            away = float(np.linalg.norm(found - last))
            pitch, last = away / max(round(away / expected), 1), found
            row.append(found)
    return sorted(row, key=lambda centre: -centre[2])


def _steady(axis: Axis, centre: Floats, look: Look) -> bool:
    """Whether a body is seen as the same from above and below: from between two, each leads to another."""
    for off in (-STEADY_MM, STEADY_MM):
        point = axis.along(centre, off)
        found = None if point is None else look(point)
        if found is None or np.linalg.norm(found - centre) > SETTLED_MM:
            return False
    return True


def _next(axis: Axis, row: list[Floats], last: Floats, direction: int, pitch: float, look: Look) -> Floats | None:
    beyond: Floats | None = None
    for share in TRIES:
        guess = axis.along(last, direction * share * pitch)
        found = None if guess is None else _settle(axis, guess, row, look)
        if found is None or direction * (found[2] - last[2]) <= 0.0:
            continue
        away = float(np.linalg.norm(found - last)) / pitch
        if NEAREST < away < NEXT:
            return found
        if NEXT <= away < FURTHEST and beyond is None:
            beyond = found
    return beyond


def _settle(axis: Axis, point: Floats, row: list[Floats], look: Look) -> Floats | None:
    """Return the centre of the body at a point, unless it is one of `row` or too far beside the spine."""
    for _ in range(MOST_LOOKS):
        centre = look(point)
        if centre is None or axis.beside(centre) > OFF_AXIS_MM:
            return None
        if any(np.linalg.norm(centre - other) < SAME_MM for other in row):
            return None
        if np.linalg.norm(centre - point) < SETTLED_MM:
            return centre
        point = centre
    return None

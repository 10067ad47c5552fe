"""Find the row of vertebral bodies of a CT: once, whatever level is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats
from workers.imaging.steps import Told, nobody, part_of
from workers.imaging.volume import Volume
from workers.locate.row_network import BODY, ROW_MM, RowNetwork, peaks, tube_along
from workers.locate.spine_axis import SpineAxis

LEAST_HEAT = 0.3
"""From this value of the mark on, a peak may be a body."""
APART_MM = 13.0
"""Bodies are further apart: T9 lies 23 mm above T10, a crushed body 18 mm from its neighbour."""
SAME_MM = 6.0
"""A body is found again where both passes find it within this distance."""
OFF_AXIS_MM = 20.0
"""A peak further from the axis, in the axial plane, is no vertebral body."""

LEAST_DEPTH_MM = 4.0
"""A body whose centre lies nearer to the end of the scan is hardly in it: the network guesses there."""
REACH_MM = 60.0
"""How far beyond the ends of an axis bodies are looked for: the next body and a half."""
MOST_PASSES = 6
"""Most times that a row is looked for again along its own bodies."""
COVERED_MM = 40.0
"""An axis whose middle lies so near to a body that was found is that of the same spine."""


@dataclass(frozen=True)
class FoundBody:
    """A vertebral body.

    Attributes
    ----------
    centre
        (3,) mm RAS.
    heat
        Value of the network's mark there, 0 to 1: how sure it is of a body.
    """

    centre: Floats
    heat: float


def find_row(ct: Volume, axes: list[SpineAxis], network: RowNetwork, told: Told = nobody) -> list[FoundBody]:
    """Return the bodies along the spine from top to bottom.

    The locator may mark several regions, some of them no spine: the row of the most certain bodies is taken.

    Parameters
    ----------
    ct
        The scan.
    axes
        Where the spine may run.
    network
        Marks the bodies.
    told
        Told after each pass.
    """
    rows: list[list[FoundBody]] = []
    for number, axis in enumerate(axes):
        known = [body.centre for row in rows for body in row]
        middle = axis.points[len(axis.points) // 2]
        if not any(np.linalg.norm(centre - middle) < COVERED_MM for centre in known):
            share = part_of(told, number / len(axes), (number + 1) / len(axes))
            rows.append(_grow_row(ct, axis, network, _surest(rows), share))
    return _surest(rows)


def _surest(rows: list[list[FoundBody]]) -> list[FoundBody]:
    return max(rows, key=_certainty, default=[])


def _certainty(row: list[FoundBody]) -> float:
    return sum(body.heat for body in row)


def _grow_row(ct: Volume, axis: SpineAxis, network: RowNetwork, rival: list[FoundBody], told: Told) -> list[FoundBody]:
    """Return the row that is found from an axis: each pass runs along the bodies of the one before, until two agree.

    So the row grows beyond the ends of the axis. What only one of the last two passes sees is no body. Where two passes
    disagree and the row is less certain than a `rival` in all and a body, it is not followed: it is no spine.
    """
    row = _bodies_along(ct, axis, network)
    for number in range(1, MOST_PASSES + 1):
        told(number / (MOST_PASSES + 1))
        if not row:
            return []
        before, row = row, _bodies_along(ct, SpineAxis(np.array([body.centre for body in row])), network)
        both = [body for body in row if _is_among(body, before)]
        if len(both) == len(row) == len(before) or _is_hopeless(row, rival):
            break
    return both


def _is_hopeless(row: list[FoundBody], rival: list[FoundBody]) -> bool:
    """Whether a row is less certain than another, both in all and on average of its bodies."""
    mine, other = _certainty(row), _certainty(rival)
    return mine < other and mine * len(rival) < other * len(row)


def _is_among(body: FoundBody, others: list[FoundBody]) -> bool:
    return any(np.linalg.norm(body.centre - other.centre) < SAME_MM for other in others)


def _bodies_along(ct: Volume, axis: SpineAxis, network: RowNetwork) -> list[FoundBody]:
    """Return the bodies in the tube along an axis, and a little beyond its ends, from top to bottom."""
    tube = tube_along(ct, axis, REACH_MM)
    heat = network.marks(tube.hu)[BODY]
    voxels = peaks(heat, LEAST_HEAT, APART_MM / ROW_MM)
    if not len(voxels):
        return []
    centres = tube.world(voxels)
    middle = tube.middle(voxels)
    sure = heat[tuple(np.rint(voxels).astype(int).T)]
    bodies = [
        FoundBody(centre, float(value))
        for centre, value, on_axis in zip(centres, sure, middle, strict=True)
        if np.linalg.norm((centre - on_axis)[:2]) < OFF_AXIS_MM and ct.depth_of(centre) > LEAST_DEPTH_MM
    ]
    return sorted(bodies, key=lambda body: -body.centre[2])

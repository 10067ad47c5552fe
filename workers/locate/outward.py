"""Show a network the slices of a crop: all, or from the middle outwards until nothing is left to see."""

from __future__ import annotations

from collections.abc import Callable

from models.types import Singles
from workers.imaging.steps import Told, nobody

Look = Callable[[range], Singles]
"""Looks at some slices and returns the highest probability of each."""
BATCH = 4
"""Slices in one run of the network: more need more memory and gain no time on two cores."""
EMPTY, EMPTY_SLICES = 0.1, 3
"""So many slices in which the vertebra is nowhere more probable end it. In 21 outlines of three CTs nothing that is
undecided or inside lay beyond, and an outline had no more than one such slice within."""


def look_at_all(look: Look, n: int, told: Told = nobody) -> None:
    """Look at all `n` slices of a crop, from the lowest on."""
    for start in range(0, n, BATCH):
        stop = min(start + BATCH, n)
        look(range(start, stop))
        told(stop / n)


def look_outward(look: Look, n: int, middle: int, told: Told = nobody) -> None:
    """Look at slices from the middle upwards, then downwards, until `EMPTY_SLICES` in a row are empty.

    Parameters
    ----------
    look, n
        What looks at slices, and how many the crop has.
    middle
        The slice of the body centre.
    told
        Told the share of the crop that is done, after each batch.
    """
    low = max(min(middle - BATCH // 2, n - BATCH), 0)
    high = min(low + BATCH, n)
    highest = list(look(range(low, high)))
    while high < n and max(highest[-EMPTY_SLICES:]) >= EMPTY:
        told(len(highest) / n)
        batch = range(high, min(high + BATCH, n))
        highest += list(look(batch))
        high = batch.stop
    while low > 0 and max(highest[:EMPTY_SLICES]) >= EMPTY:
        told(len(highest) / n)
        batch = range(max(low - BATCH, 0), low)
        highest = list(look(batch)) + highest
        low = batch.start
    told(1.0)

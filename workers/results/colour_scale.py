"""The colour maps and scales of preview, viewer and VTK files: one definition for all (decision 65).

Stress that has no sign, displacement and what bone is made of are sequential from zero; principal stresses and
differences diverge about zero. All maps stay readable for colour-blind eyes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import matplotlib
import numpy as np

from models.types import Bytes, Floats, Reals
from workers.results.diverging_map import diverging_map

PERCENTILE = 99.0
"""A scale ends at this percentile of the surface nodes, so that one hot node does not darken the rest."""
LEAST_END = 1e-6
"""No scale ends below this, in its unit, so that an unstressed vertebra still has one."""
COLOURS = 256
"""Entries of a table."""

SEQUENTIAL = ("viridis", "cividis")
"""Names of matplotlib's maps (CC0; cividis: Nuñez et al. 2018, doi:10.1371/journal.pone.0199239), the default first."""
MATERIAL = ("density", "young_modulus")
"""Arrays that show the bone and no load; they have the second map, so that nobody takes one for stress."""
SEQUENTIAL_RANGE = (0.1, 1.0)
"""The part of these maps that is used: the lowest tenth is too dark to show the form of the bone."""
DIVERGING: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "orange to purple": ((0.759, 0.334, 0.046), (0.436, 0.308, 0.631)),
    "blue to red": ((0.230, 0.299, 0.754), (0.706, 0.016, 0.150)),
}
"""sRGB of both ends as Moreland gives them, the default first. In it compression, which loads a vertebra, is orange."""


def colour_map(array: str) -> str | None:
    """Return the map of a nodal array of the VTK files, e.g. ``s3``; None for one that is no quantity."""
    if array.startswith(("s1", "s2", "s3")) or array.endswith("_error"):
        return next(iter(DIVERGING))
    if array in MATERIAL:
        return SEQUENTIAL[1]
    return SEQUENTIAL[0] if array.startswith(("von_mises", "displacement", "yield_ratio")) else None


@cache
def colour_table(name: str = SEQUENTIAL[0]) -> Bytes:
    """Return the (256, 3) uint8 RGB table of a map from low to high."""
    if name in DIVERGING:
        low, high = DIVERGING[name]
        colours = diverging_map(np.array(low), np.array(high), COLOURS)
    else:
        colours = matplotlib.colormaps[name](np.linspace(*SEQUENTIAL_RANGE, COLOURS))[:, :3]
    return (colours * 255 + 0.5).astype(np.uint8)


@dataclass(frozen=True)
class ColourScale:
    """A colour for each value: `low` to `high`, in its unit, along a map; beyond them the colours of its ends."""

    low: float
    high: float
    colour_map: str

    @property
    def is_diverging(self) -> bool:
        """Whether the middle of the scale is zero."""
        return self.colour_map in DIVERGING

    def colours(self, values: Reals) -> Bytes:
        """Return the colours (k, 3) uint8 of values (k,)."""
        last = COLOURS - 1
        index = np.clip((values - self.low) / (self.high - self.low) * last + 0.5, 0, last).astype(np.int64)
        table: Bytes = colour_table(self.colour_map)[index]
        return table


def sequential_scale(surface_values: Floats, name: str = SEQUENTIAL[0]) -> ColourScale:
    """Return the scale of values (k,) without a sign, such as von Mises stress, along a map; it starts at 0."""
    return ColourScale(0.0, _end(surface_values), name)


def diverging_scale(surface_values: Floats) -> ColourScale:
    """Return the scale of values (k,) with a sign, such as s3; it reaches as far below zero as above."""
    end = _end(np.abs(surface_values))
    return ColourScale(-end, end, next(iter(DIVERGING)))


def _end(values: Floats) -> float:
    return max(float(np.percentile(values, PERCENTILE)), LEAST_END)

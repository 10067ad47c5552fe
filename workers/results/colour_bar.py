"""The colour bar of ``preview.png``: colours, title and round ticks."""

from __future__ import annotations

import numpy as np
from PIL import Image

from models.types import Bytes
from workers.results.colour_scale import PERCENTILE, ColourScale, colour_table
from workers.results.pen import INK, MUTED, Box, Pen, TextStyle

ARROW = 14
"""Length of the arrow that says that values go on beyond the scale, pixels, as all sizes here."""
TITLE = TextStyle(15, MUTED)
TITLE_GAP, TICK_LENGTH, TICK_TEXT_GAP = 10, 6, 10
OF_SURFACE = f", scale ends at the {PERCENTILE:g}th percentile of the surface"
"""What a title adds where the scale is that of the surface."""
MOST_TICKS = 6
"""Intervals between ticks: more would crowd the bar."""
ROUND_STEPS = (1, 2, 2.5, 5, 10, 20)
"""Multiples of a power of ten that read easily. 10 always suffices; 20 is for a logarithm that was rounded down."""
ROUNDING = 1e-9
"""Keeps the last tick where the scale ends on it but for rounding."""


def draw_colour_bar(pen: Pen, scale: ColourScale, title: str, box: Box) -> None:
    """Draw a colour scale over a box, its title (with unit and end of the scale) above, its ticks below."""
    table = colour_table(scale.colour_map)
    right, bottom = box.left + box.width, box.top + box.height
    pen.paste(Image.fromarray(np.ascontiguousarray(np.broadcast_to(table, (1, *table.shape)))), box)
    _draw_arrow(pen, right, ARROW, box, table[-1])
    if scale.is_diverging:
        _draw_arrow(pen, box.left, -ARROW, box, table[0])
    pen.write((box.left + box.width / 2, box.top - TITLE_GAP), title, TITLE, anchor="mb")
    for tick in scale_ticks(scale):
        at = box.left + box.width * (tick - scale.low) / (scale.high - scale.low)
        pen.line([(at, bottom), (at, bottom + TICK_LENGTH)], INK)
        pen.write((at, bottom + TICK_TEXT_GAP), f"{tick:.4g}", anchor="ma")


def _draw_arrow(pen: Pen, at: float, length: float, box: Box, colour: Bytes) -> None:
    """Draw the arrow that says that values go on beyond an end of the scale."""
    red, green, blue = (int(v) for v in colour)
    corners = [(at, box.top), (at + length, box.top + box.height / 2), (at, box.top + box.height)]
    pen.fill(corners, (red, green, blue))


def scale_ticks(scale: ColourScale) -> list[float]:
    """Return round values within a scale; about zero, where it diverges, the same on both sides."""
    if not scale.is_diverging:
        return round_ticks(scale.high)
    ticks = round_ticks(scale.high)[:: 1 if len(round_ticks(scale.high)) <= MOST_TICKS / 2 + 1 else 2]
    return [-tick for tick in reversed(ticks[1:])] + ticks


def round_ticks(end: float) -> list[float]:
    """Return round values from 0 up to `end`, at most `MOST_TICKS` + 1 of them."""
    power = 10.0 ** np.floor(np.log10(end / MOST_TICKS))
    step = next(power * m for m in ROUND_STEPS if end / (power * m) <= MOST_TICKS)
    return [float(step * k) for k in range(int(end / step * (1 + ROUNDING)) + 1)]

"""The colour bar of ``preview.png``: colours, title and round ticks."""

from __future__ import annotations

import numpy as np
from PIL import Image

from workers.results.colour_scale import PERCENTILE, colour_table
from workers.results.pen import INK, MUTED, Box, Pen, TextStyle

ARROW = 14
"""Length of the arrow that says that stress goes on beyond the scale, pixels, as all sizes here."""
TITLE = TextStyle(15, MUTED)
TITLE_GAP, TICK_LENGTH, TICK_TEXT_GAP = 10, 6, 10
MOST_TICKS = 6
"""Intervals between ticks: more would crowd the bar."""
ROUND_STEPS = (1, 2, 2.5, 5, 10, 20)
"""Multiples of a power of ten that read easily. 10 always suffices; 20 is for a logarithm that was rounded down."""
ROUNDING = 1e-9
"""Keeps the last tick where the scale ends on it but for rounding."""


def draw_colour_bar(pen: Pen, scale_end: float, box: Box) -> None:
    """Draw the colour scale (0 to `scale_end` MPa) over a box, its title above and its ticks below."""
    table = colour_table()
    right, bottom = box.left + box.width, box.top + box.height
    pen.paste(Image.fromarray(np.ascontiguousarray(np.broadcast_to(table, (1, *table.shape)))), box)
    red, green, blue = (int(v) for v in table[-1])
    pen.fill([(right, box.top), (right + ARROW, box.top + box.height / 2), (right, bottom)], (red, green, blue))
    title = f"von Mises stress (MPa), scale ends at the {PERCENTILE:g}th percentile of the surface"
    pen.write((box.left + box.width / 2, box.top - TITLE_GAP), title, TITLE, anchor="mb")
    for tick in round_ticks(scale_end):
        at = box.left + box.width * tick / scale_end
        pen.line([(at, bottom), (at, bottom + TICK_LENGTH)], INK)
        pen.write((at, bottom + TICK_TEXT_GAP), f"{tick:.4g}", anchor="ma")


def round_ticks(end: float) -> list[float]:
    """Return round values from 0 up to `end`, at most `MOST_TICKS` + 1 of them."""
    power = 10.0 ** np.floor(np.log10(end / MOST_TICKS))
    step = next(power * m for m in ROUND_STEPS if end / (power * m) <= MOST_TICKS)
    return [float(step * k) for k in range(int(end / step * (1 + ROUNDING)) + 1)]

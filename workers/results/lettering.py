"""The lettering of ``preview.png``: title, orientation letters, colour bar, scale bar, peak mark (Pillow).

Positions and sizes are in pixels of the finished picture; everything is drawn `SCALE` times larger and then halved.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.types import Bytes, Floats
from workers.results.captions import COLOUR_PERCENTILE, RESEARCH_NOTE, SOFTWARE, Caption, software_version
from workers.results.rasteriser import View

SCALE = 2
INK, MUTED, LINE = "#16202c", "#5d6b7a", "#d5dbe2"
RED = "#b3261e"
ORIENTATION = (("R", "L"), ("A", "P"), ("S", "I"))
"""Letters of the (+, -) ends of the axes: RAS+ runs to the patient's right, anterior and superior."""


@cache
def font(size: float, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans (it comes with matplotlib, so every machine has the same) at `size` pixels."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size * SCALE)


def text(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    words: str,
    size: float = 16,
    *,
    colour: str = INK,
    anchor: str = "la",
    bold: bool = False,
    halo: bool = False,
) -> None:
    """Write `words` at `at`; with `halo` a white rim keeps them readable on the bone."""
    xy = (at[0] * SCALE, at[1] * SCALE)
    rim = 2 * SCALE if halo else 0
    draw.text(xy, words, colour, font(size, bold), anchor, stroke_width=rim, stroke_fill="white")


def line(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], colour: str = LINE, width: float = 1) -> None:
    """Draw a polyline."""
    draw.line([(x * SCALE, y * SCALE) for x, y in points], fill=colour, width=round(width * SCALE))


def headline(draw: ImageDraw.ImageDraw, meta: Caption, width: int) -> None:
    """Write the title, the research note at its right and a rule below."""
    text(draw, (32, 20), "Von Mises stress", 30, bold=True)
    text(draw, (32, 58), meta.title, 18, colour=MUTED)
    text(draw, (width - 32, 24), RESEARCH_NOTE.upper(), 20, colour=RED, anchor="ra", bold=True)
    software = f"Not a medical device · {SOFTWARE} {software_version()}"
    text(draw, (width - 32, 58), software, 16, colour=MUTED, anchor="ra")
    line(draw, [(32, 94), (width - 32, 94)])


def letters(direction: Floats) -> str:
    """Name a direction by its main axes, e.g. ``"A"`` or, between two, ``"SA"`` (largest first)."""
    order = np.argsort(-np.abs(direction), kind="stable")
    return "".join(ORIENTATION[k][0 if direction[k] > 0 else 1] for k in order if abs(direction[k]) > 0.45)


def compass(
    draw: ImageDraw.ImageDraw, name: str, view: View, left: float, top: float, width: float, height: float
) -> None:
    """Write the name of a view and the four orientation letters at the edges of its panel."""
    text(draw, (left + width / 2, top + 14), name, 18, anchor="ma", bold=True)
    middle = top + height / 2 + 20
    for at, direction in (
        ((left + 24, middle), -view.right),
        ((left + width - 24, middle), view.right),
        ((left + width / 2, top + 52), view.up),
        ((left + width / 2, top + height - 14), -view.up),
    ):
        text(draw, at, letters(direction), 20, colour=MUTED, anchor="mm", bold=True)
    if left > 0:
        line(draw, [(left, top + 24), (left, top + height - 24)])


def peak_mark(draw: ImageDraw.ImageDraw, column: float, row: float, *, hidden: bool) -> None:
    """Mark the peak at a drawing pixel: a full ring where it is seen, a dashed one where bone covers it."""
    x, y = column / SCALE, row / SCALE
    for radius, colour, width in ((13, "white", 5), (13, INK, 2.2)):
        box = [(v + r * radius) * SCALE for r in (-1, 1) for v in (x, y)]
        for start in range(0, 360, 45) if hidden else (0,):
            end = start + 26 if hidden else 360
            draw.arc(box, start, end, fill=colour, width=round(width * SCALE))
    text(draw, (x + 19, y - 15), "peak (behind)" if hidden else "peak", 15, anchor="lm", bold=True, halo=True)


def scale_bar(draw: ImageDraw.ImageDraw, x: float, y: float, pixels_per_mm: float) -> None:
    """Draw 20 mm."""
    end = x + 20 * pixels_per_mm
    line(draw, [(x, y - 5), (x, y + 5)], INK, 2)
    line(draw, [(end, y - 5), (end, y + 5)], INK, 2)
    line(draw, [(x, y), (end, y)], INK, 2)
    text(draw, ((x + end) / 2, y + 12), "20 mm", 15, anchor="ma")


def nice_ticks(limit: float, most: int = 6) -> list[float]:
    """Return round values from 0 up to `limit`, at most `most` + 1 of them."""
    power = 10.0 ** np.floor(np.log10(limit / most))
    step = next(power * m for m in (1, 2, 2.5, 5, 10, 20) if limit / (power * m) <= most)
    return [float(step * k) for k in range(int(limit / step * (1 + 1e-9)) + 1)]


def colour_bar(canvas: Image.Image, table: Bytes, limit: float, x: float, y: float, width: float) -> None:
    """Paste the colour scale (0 to `limit` MPa) with its title and ticks; the arrow says that it goes on."""
    draw = ImageDraw.Draw(canvas)
    size = (round(width * SCALE), 20 * SCALE)
    strip = Image.fromarray(np.ascontiguousarray(np.broadcast_to(table, (1, *table.shape))))
    canvas.paste(strip.resize(size, Image.Resampling.BILINEAR), (round(x * SCALE), round(y * SCALE)))
    tip = [((x + width) * SCALE, y * SCALE), ((x + width + 14) * SCALE, (y + 10) * SCALE)]
    draw.polygon([*tip, ((x + width) * SCALE, (y + 20) * SCALE)], fill=tuple(int(v) for v in table[-1]))
    title = f"von Mises stress (MPa), scale ends at the {COLOUR_PERCENTILE:g}th percentile of the surface"
    text(draw, (x + width / 2, y - 10), title, 15, colour=MUTED, anchor="mb")
    ticks = nice_ticks(limit)
    for tick in ticks:
        at = x + width * tick / limit
        line(draw, [(at, y + 20), (at, y + 26)], INK)
        text(draw, (at, y + 30), f"{tick:.4g}", 16, anchor="ma")

"""A pen that draws in pixels of the finished picture, on an image `SCALE` times larger (Pillow)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
from PIL import Image, ImageDraw, ImageFont

SCALE = 2
"""A picture is drawn this many times larger and then reduced, which smooths every edge."""
INK, MUTED, LINE = "#16202c", "#5d6b7a", "#d5dbe2"
RED = "#b3261e"
RIM = 2
"""Width of the rim that keeps words readable on the bone, pixels."""

Point = tuple[float, float]


class Box(NamedTuple):
    """A rectangle of the finished picture, pixels; `top` is its least row."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class TextStyle:
    """How words are written: height of the font in pixels, colour, weight, and colour of a rim around them or None."""

    size: float = 16
    colour: str = INK
    bold: bool = False
    rim: str | None = None


PLAIN = TextStyle()


@cache
def _font(size: float, bold: bool) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, `size` drawing pixels high; it comes with matplotlib, so every machine has the same."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)


class Pen:
    """Draws onto an image that is `SCALE` times larger than the finished picture."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self._draw = ImageDraw.Draw(image)

    def write(self, at: Point, words: str, style: TextStyle = PLAIN, anchor: str = "la") -> None:
        """Write `words`; `anchor` says which part of them lies at the point `at` (Pillow's text anchors)."""
        font = _font(style.size * SCALE, style.bold)
        rim = RIM * SCALE if style.rim else 0
        self._draw.text(_scaled(at), words, style.colour, font, anchor, stroke_width=rim, stroke_fill=style.rim)

    def width_of(self, words: str, style: TextStyle) -> float:
        """Return how wide written words are, pixels."""
        return _font(style.size * SCALE, style.bold).getlength(words) / SCALE

    def line(self, points: Sequence[Point], colour: str = LINE, width: float = 1) -> None:
        """Draw a polyline."""
        self._draw.line([_scaled(point) for point in points], fill=colour, width=round(width * SCALE))

    def arc(self, centre: Point, radius: float, angles: Point, colour: str, width: float) -> None:
        """Draw an arc between two angles in degrees, clockwise from the right."""
        box = [(v + sign * radius) * SCALE for sign in (-1, 1) for v in centre]
        self._draw.arc(box, *angles, fill=colour, width=round(width * SCALE))

    def fill(self, points: Sequence[Point], colour: tuple[int, int, int]) -> None:
        """Fill a polygon."""
        self._draw.polygon([_scaled(point) for point in points], fill=colour)

    def paste(self, image: Image.Image, box: Box) -> None:
        """Stretch an image over a box."""
        size = (round(box.width * SCALE), round(box.height * SCALE))
        self._image.paste(
            image.resize(size, Image.Resampling.BILINEAR), (round(box.left * SCALE), round(box.top * SCALE))
        )


def _scaled(point: Point) -> Point:
    return point[0] * SCALE, point[1] * SCALE

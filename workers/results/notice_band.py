"""The band below the headline of ``preview.png``: warnings first, then how sure the report is, in wrapped lines."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from workers.results.captions import Caption
from workers.results.lettering import MARGIN
from workers.results.pen import INK, MUTED, RED, SCALE, Pen, TextStyle

WARNING_HEAD = TextStyle(18, RED, bold=True)
WARNING = TextStyle(18, INK)
CERTAINTY_HEAD = TextStyle(16, MUTED, bold=True)
CERTAINTY = TextStyle(16, MUTED)
LINE_HEIGHT = 25
"""Pixels of the finished picture, as all sizes here."""
PADDING = 12
"""Above the first and below the last line."""
HEAD_WIDTH = 110
"""Of the column that says what a text is about."""
RED_BAR = 5
"""Width of the bar at the left of the warnings."""

Line = tuple[str, TextStyle, str, TextStyle]


def notice_band(caption: Caption, width: int) -> Image.Image | None:
    """Draw the band of a picture of this width (pixels), `SCALE` times larger; None where there is nothing to say."""
    measuring = Pen(Image.new("RGB", (1, 1)))
    lines = list(_lines(caption, measuring, width - 2 * MARGIN - HEAD_WIDTH))
    if not lines:
        return None
    image = Image.new("RGB", (width * SCALE, (2 * PADDING + LINE_HEIGHT * len(lines)) * SCALE), "white")
    pen = Pen(image)
    for row, (head, head_style, text, style) in enumerate(lines):
        top = PADDING + row * LINE_HEIGHT
        pen.write((MARGIN, top), head, head_style)
        pen.write((MARGIN + HEAD_WIDTH, top), text, style)
        if style is WARNING:
            left = MARGIN - 3 * RED_BAR
            pen.line([(left, top), (left, top + LINE_HEIGHT)], RED, RED_BAR)
    return image


def _lines(caption: Caption, pen: Pen, width: float) -> Iterator[Line]:
    """Yield each line of the band: what it is about (in the first line of a text only), the words, and their styles."""
    for text in caption.warnings:
        for number, words in enumerate(wrapped(pen, text, WARNING, width)):
            yield "" if number else "Warning", WARNING_HEAD, words, WARNING
    for about, text in caption.certainty:
        for number, words in enumerate(wrapped(pen, text, CERTAINTY, width)):
            yield "" if number else about.capitalize(), CERTAINTY_HEAD, words, CERTAINTY


def wrapped(pen: Pen, text: str, style: TextStyle, width: float) -> list[str]:
    """Break a text at its spaces into lines of at most `width` pixels; a longer word has a line of its own."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and pen.width_of(longer, style) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines

"""How ``report.pdf`` looks: page, fonts, paragraphs and tables (reportlab)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import matplotlib
from PIL import Image
from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, Table, TableStyle

from workers.results.pen import INK, LINE, MUTED, RED

MARGIN = 15 * mm
"""Room that printers need and that binds the page; lengths here are points of 1/72 inch."""
WIDTH, HEIGHT = A4[0] - 2 * MARGIN, A4[1] - 2 * MARGIN
"""Of the page within its margins."""
LEADING = 1.28
"""Distance of the lines over the size of the font."""
CELL_GAP = 1.5
"""Above and below the words of a table's cell."""
RED_BAR = 2.5
"""Width of the bar beside warnings."""
FONT = "DejaVuSans"
BOLD = "DejaVuSans-Bold"
"""They come with matplotlib, so every machine has the same; they have all letters and signs of the texts."""


class Column(NamedTuple):
    """A column of a table: its name, its share of the page's width, and whether it holds numbers, set to the right."""

    name: str
    share: float
    is_number: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture of this size in points; reportlab's own would read it from a file."""

    image: Image.Image
    width: float
    height: float

    def wrap(self, _width: float, _height: float) -> tuple[float, float]:
        """Return width and height."""
        return self.width, self.height

    def drawOn(self, canvas: Canvas, x: float, y: float) -> None:  # noqa: N802 - the name of reportlab
        """Draw it with its lower left corner there."""
        canvas.drawImage(ImageReader(self.image), x, y, self.width, self.height)


class Part(NamedTuple):
    """A part of the page, the room above it, and how far it begins from the left margin, points."""

    gap: float
    content: Any
    left: float = 0

    @property
    def height(self) -> float:
        """Height with the room above, points."""
        return self.gap + self.content.wrap(WIDTH, HEIGHT)[1]


@cache
def load_fonts() -> None:
    """Make the fonts known to reportlab; once a process."""
    rl_config.useA85 = 0  # streams as bytes: reportlab's base 85 is Python, and took longer than all the rest
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name in (FONT, BOLD):
        pdfmetrics.registerFont(TTFont(name, folder / f"{name}.ttf"))


def paragraph(text: str, size: float, *, bold: bool = False, colour: str = INK, right: bool = False) -> Paragraph:
    """Return words that break into lines; `size` is that of the font, points."""
    style = ParagraphStyle(
        "",
        fontName=BOLD if bold else FONT,
        fontSize=size,
        leading=size * LEADING,
        textColor=HexColor(colour),
        alignment=TA_RIGHT if right else 0,
        splitLongWords=1,
    )
    return Paragraph(escape(text), style)


def facts(rows: Sequence[tuple[str, str]], size: float, head_width: float) -> Table:
    """Return rows of what a text is about and the text."""
    cells = [[paragraph(about, size, bold=True, colour=MUTED), paragraph(text, size)] for about, text in rows]
    return Table(cells, [head_width, WIDTH - head_width], style=TableStyle(_tight()))


def warning_box(warnings: Sequence[str], size: float) -> Table:
    """Return the warnings one below the other, beside a red bar."""
    style = [*_tight(), ("LINEBEFORE", (0, 0), (0, -1), RED_BAR, HexColor(RED)), ("LEFTPADDING", (0, 0), (0, -1), 7)]
    return Table([[paragraph(text, size)] for text in warnings], [WIDTH], style=TableStyle(style))


def number_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], size: float) -> Table:
    """Return a table with a header."""
    head = [paragraph(column.name, size, bold=True, colour=MUTED, right=column.is_number) for column in columns]
    body = [
        [paragraph(text, size, right=column.is_number) for text, column in zip(row, columns, strict=True)]
        for row in rows
    ]
    style = [*_tight(), ("LINEBELOW", (0, 0), (-1, -1), 0.4, HexColor(LINE)), ("LEFTPADDING", (1, 0), (-1, -1), 8)]
    return Table([head, *body], [column.share * WIDTH for column in columns], style=TableStyle(style))


def _tight() -> list[Any]:
    return [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), CELL_GAP),
        ("BOTTOMPADDING", (0, 0), (-1, -1), CELL_GAP),
    ]

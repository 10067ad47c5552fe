"""``report.pdf``: one A4 page to print and to file. Warnings and how sure the report is come before the numbers.

It says nothing of the patient: who prints it or puts it into a record knows whose it is.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock

from PIL import Image as Pictures
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import HRFlowable

from app.contract.certainty import vertebra_words
from app.contract.report import Report
from workers.results.captions import RESEARCH_NOTE, Caption, software_and_version
from workers.results.pdf_bone import bone_parts
from workers.results.pdf_style import (
    HEIGHT,
    MARGIN,
    WIDTH,
    Column,
    Part,
    Picture,
    facts,
    load_fonts,
    number_table,
    paragraph,
    warning_box,
)
from workers.results.pdf_texts import MESH_NOTE, STATISTICS, agreement_words, key_numbers, region_rows, sources
from workers.results.pen import LINE, MUTED, RED

TITLE_PT = 16
GAP, HEADING_GAP, LINE_GAP = 6.0, 10.0, 2.0
"""Points above a part of the page, above a heading, and below a heading."""
HEAD_WIDTH = 60
"""Points of the column that says what a text is about."""
KEY_COLUMNS = (Column("Stress", 0.36), Column("MPa", 0.12, is_number=True), Column("Where", 0.52))
REGION_COLUMNS = (
    Column("Von Mises stress, MPa", 0.3),
    *(Column(name, 0.1, is_number=True) for name in ("cm³", *STATISTICS)),
)
LEAST_PT = 6.0
"""Of the small print."""
FONTS = Lock()
"""Held while fonts are loaded or put into a page: reportlab reads them at a place in the file that all pages share."""
LONGEST_WARNING = 300
"""Characters of a warning on the most crowded page; those of the calibration have up to 300."""


@dataclass(frozen=True)
class Layout:
    """How much the page shows, and how large.

    Attributes
    ----------
    text_pt
        Size of the font, points.
    picture
        Least width of the picture as a share of the page's: at 0.55 its smallest words measure 2.5 points.
    has_regions
        Whether the table of regions is there.
    warnings
        How many warnings are there; None: all, and whole.
    """

    text_pt: float
    picture: float
    has_regions: bool = True
    warnings: int | None = None


LAYOUTS = (
    Layout(9, 0.9),
    Layout(8.5, 0.9),
    Layout(8, 0.8),
    Layout(7.5, 0.7),
    Layout(7, 0.6),
    Layout(7, 0.55, has_regions=False),
)
"""From the roomiest to the tightest: 7 points is the least that one reads without effort on paper."""


def report_pdf(report: Report, views: Pictures.Image, made_at: datetime) -> bytes:
    """Return the page in the roomiest layout that fits; what has no place then is named.

    Parameters
    ----------
    report
        What the page says.
    views
        The pictures of the stress. They take the room that the words leave, up to the width of the page.
    made_at
        When the job computed it, UTC.
    """
    with FONTS:
        load_fonts()
    full_height = WIDTH * views.height / views.width
    for layout in _layouts(len(report.warnings)):
        above, below = list(_above(report, layout, made_at)), list(_below(report, layout))
        room = HEIGHT - GAP - sum(part.height for part in (*above, *below))
        if room >= layout.picture * full_height:
            break
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4, lang="en")
    canvas.setTitle(f"Von Mises stress: {Caption.of(report).title}")
    canvas.setAuthor(software_and_version())
    canvas.setCreator(software_and_version())
    canvas.setSubject(RESEARCH_NOTE)
    top = A4[1] - MARGIN
    for part in (*above, _picture(views, min(1.0, room / full_height)), *below):
        top -= part.height
        part.content.drawOn(canvas, MARGIN + part.left, top)
    with FONTS:
        canvas.save()
    return file.getvalue()


def _layouts(warnings: int) -> Iterator[Layout]:
    """Yield the layouts from the roomiest on; the last ones leave out ever more warnings."""
    yield from LAYOUTS
    yield from (replace(LAYOUTS[-1], warnings=number) for number in range(warnings, -1, -1))


def _above(report: Report, layout: Layout, made_at: datetime) -> Iterator[Part]:
    """Yield what stands above the picture: warnings, how sure the report is, key numbers."""
    size, caption = layout.text_pt, Caption.of(report)
    yield Part(0, paragraph(f"Von Mises stress. {vertebra_words(report.vertebra)}.", TITLE_PT, bold=True))
    yield Part(GAP, paragraph(f"{caption.title} · computed {made_at:%Y-%m-%d %H:%M} UTC", size, colour=MUTED))
    yield Part(GAP, paragraph(f"{RESEARCH_NOTE.upper()}. {report.disclaimer}", size, bold=True, colour=RED))
    yield Part(GAP, HRFlowable(WIDTH, 0.6, color=HexColor(LINE), spaceBefore=0, spaceAfter=0))
    warnings = _warnings(report, layout)
    yield _heading("Warnings" if warnings else "Warnings: none", size)
    if warnings:
        yield Part(LINE_GAP, warning_box(warnings, size))
    yield _heading("How sure", size)
    yield Part(LINE_GAP, facts([(about.capitalize(), text) for about, text in caption.certainty], size, HEAD_WIDTH))
    yield _heading("Key numbers", size)
    yield Part(LINE_GAP, number_table(KEY_COLUMNS, key_numbers(report), size))
    yield Part(LINE_GAP, paragraph(MESH_NOTE, max(size - 1.5, LEAST_PT), colour=MUTED))
    if report.bone:
        yield from bone_parts(report, report.bone, size)
    if report.agreement:
        yield Part(GAP, paragraph(agreement_words(report.agreement), size))


def _below(report: Report, layout: Layout) -> Iterator[Part]:
    """Yield what stands below the picture: the regions, and where the numbers come from."""
    if layout.has_regions:
        yield Part(GAP, number_table(REGION_COLUMNS, region_rows(report), layout.text_pt - 1))
    yield Part(GAP, paragraph(sources(report), max(layout.text_pt - 1.5, LEAST_PT), colour=MUTED))


def _heading(text: str, size: float) -> Part:
    return Part(HEADING_GAP, paragraph(text, size + 1.5, bold=True))


def _warnings(report: Report, layout: Layout) -> list[str]:
    """Return the warnings that the layout has; the last sentence counts those that it has not."""
    if layout.warnings is None:
        return report.warnings
    shown = [_shortened(text) for text in report.warnings[: layout.warnings]]
    left_out = len(report.warnings) - len(shown)
    more = f"{left_out} more warnings have no place here: read them in report.json."
    return [*shown, more] if left_out else shown


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_WARNING else f"{text[:LONGEST_WARNING].rsplit(' ', 1)[0]} …"


def _picture(views: Pictures.Image, share: float) -> Part:
    width = WIDTH * share
    return Part(GAP, Picture(views, width, width * views.height / views.width), (WIDTH - width) / 2)

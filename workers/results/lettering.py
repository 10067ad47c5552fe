"""The lettering of ``preview.png``: headline, names of the views, orientation letters, peak marks, scale bar."""

from __future__ import annotations

from workers.results.captions import RESEARCH_NOTE, Caption, software_and_version
from workers.results.panels import ABOVE, BELOW, Panel
from workers.results.pen import INK, MUTED, RED, Pen, Point, TextStyle
from workers.results.views import direction_letters

MARGIN = 32
"""Room left free at the sides of the picture, pixels, as all positions and sizes here."""
TITLE_ROW, NOTE_ROW, SUBTITLE_ROW, RULE_ROW = 20, 24, 58, 94
"""Rows of the headline; the note is smaller than the title beside it, so it starts lower."""
TITLE = TextStyle(30, bold=True)
SUBTITLE = TextStyle(18, MUTED)
NOTE = TextStyle(20, RED, bold=True)
SMALL = TextStyle(16, MUTED)

VIEW_NAME = TextStyle(18, bold=True)
VIEW_NAME_ROW, UPPER_LETTER_ROW, LOWER_LETTER = 14, 52, 14
"""From the top of the panel to the view's name and to the middle of the letter below it; from its bottom to the middle
of the lowest letter. Both letters lie in the room that `workers.results.panels` keeps free."""
LETTER = TextStyle(20, MUTED, bold=True)
LETTER_INSET = 24
"""From the sides of a panel to the middle of a letter: half of `workers.results.panels.SIDE`."""

PEAK_NAME = TextStyle(15, bold=True, rim="white")
PEAK_RADIUS = 13
PEAK_RINGS = (("white", 5), (INK, 2.2))
"""Colour and width of the two rings around a peak: the white one keeps the dark one readable on dark colours."""
PEAK_NAME_OFFSET = (19, -15)
"""From the centre of the ring to the start of its name: just outside, up and to the right."""
DASH_DEG, DASH_PERIOD_DEG = 26, 45
"""Eight dashes around a hidden peak, each a little longer than the gap."""

SCALE_BAR_MM = 20
SCALE_BAR_END = 5
"""Half the height of the strokes at both ends of the scale bar."""
SCALE_BAR_TEXT = TextStyle(15)
SCALE_BAR_TEXT_GAP = 12


def write_headline(pen: Pen, caption: Caption, width: int) -> None:
    """Write the title, the research note at its right, and a rule below, over a picture of this width."""
    right = width - MARGIN
    pen.write((MARGIN, TITLE_ROW), "Von Mises stress", TITLE)
    pen.write((MARGIN, SUBTITLE_ROW), caption.title, SUBTITLE)
    pen.write((right, NOTE_ROW), RESEARCH_NOTE.upper(), NOTE, anchor="ra")
    pen.write((right, SUBTITLE_ROW), f"Not a medical device · {software_and_version()}", SMALL, anchor="ra")
    pen.line([(MARGIN, RULE_ROW), (right, RULE_ROW)])


def letter_panel(pen: Pen, panel: Panel) -> None:
    """Write the name of a view and the four orientation letters at the edges of its panel."""
    left, top, width, height = panel.box
    centre = left + width / 2
    middle = top + height / 2 + (ABOVE - BELOW) / 2
    pen.write((centre, top + VIEW_NAME_ROW), panel.name, VIEW_NAME, anchor="ma")
    for at, direction in (
        ((left + LETTER_INSET, middle), -panel.view.right),
        ((left + width - LETTER_INSET, middle), panel.view.right),
        ((centre, top + UPPER_LETTER_ROW), panel.view.up),
        ((centre, top + height - LOWER_LETTER), -panel.view.up),
    ):
        pen.write(at, direction_letters(direction), LETTER, anchor="mm")
    if left > 0:
        pen.line([(left, top + LETTER_INSET), (left, top + height - LETTER_INSET)])


def mark_peak(pen: Pen, at: Point, *, hidden: bool) -> None:
    """Mark the peak: a full ring where it is seen, a dashed one where bone covers it."""
    starts, length = (range(0, 360, DASH_PERIOD_DEG), DASH_DEG) if hidden else ((0,), 360)
    for colour, width in PEAK_RINGS:
        for start in starts:
            pen.arc(at, PEAK_RADIUS, (start, start + length), colour, width)
    name_at = (at[0] + PEAK_NAME_OFFSET[0], at[1] + PEAK_NAME_OFFSET[1])
    pen.write(name_at, "peak (behind)" if hidden else "peak", PEAK_NAME, anchor="lm")


def draw_scale_bar(pen: Pen, at: Point, pixels_per_mm: float) -> None:
    """Draw a bar of `SCALE_BAR_MM` to the right of `at`, with its length below."""
    x, y = at
    end = x + SCALE_BAR_MM * pixels_per_mm
    for stroke in (x, end):
        pen.line([(stroke, y - SCALE_BAR_END), (stroke, y + SCALE_BAR_END)], INK, 2)
    pen.line([(x, y), (end, y)], INK, 2)
    pen.write(((x + end) / 2, y + SCALE_BAR_TEXT_GAP), f"{SCALE_BAR_MM} mm", SCALE_BAR_TEXT, anchor="ma")

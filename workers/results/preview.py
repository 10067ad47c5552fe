"""``preview.png``: the stressed surface in three views, for a reader who opens one picture.

Our own rasteriser (`workers.results.rasteriser`) and Pillow draw it, without OpenGL; the same field gives the same
bytes.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from workers.results.captions import Caption
from workers.results.colour_bar import draw_colour_bar
from workers.results.colour_scale import sequential_scale
from workers.results.comparison_row import comparison_row
from workers.results.headline_numbers import headline_numbers
from workers.results.lettering import MARGIN, SMALL, draw_scale_bar, letter_panel, mark_peak, write_headline
from workers.results.notice_band import notice_band
from workers.results.panel_painting import Cell, blank_picture, paint_cells
from workers.results.panels import HEIGHT, PANEL_TOP, PANELS, WIDTH
from workers.results.pen import SCALE, Box, Pen, TextStyle
from workers.results.stressed_mesh import StressedMesh

SCALE_BAR_AT = (56, HEIGHT - 56)
"""Pixels of the finished picture, as all positions here."""
COLOUR_BAR = Box(WIDTH * 0.29, HEIGHT - 66, WIDTH * 0.42, 20)
"""In the middle, clear of the scale bar at its left and the numbers at its right."""
HEADLINE_NUMBER = TextStyle(20, bold=True)
NUMBER_ROWS = (HEIGHT - 84, HEIGHT - 54, HEIGHT - 30)
PNG_LEVEL = 4
"""Of zlib."""


def write_preview(path: Path, mesh: StressedMesh, caption: Caption) -> None:
    """Draw three views of the surface coloured by von Mises stress, with one colour bar in MPa, as PNG.

    What a reader should know first, warnings above all, stands above the views; where the mesh has a solution beside
    the prediction, both and their difference stand below.
    """
    scale = sequential_scale(mesh.surface_von_mises)
    picture = blank_picture()
    painted = paint_cells(picture, [Cell(panel, mesh.surface_von_mises, scale) for panel in PANELS], mesh)
    image = Image.fromarray(picture)
    pen = Pen(image)
    write_headline(pen, caption, WIDTH)
    for projection, behind in painted:
        letter_panel(pen, projection.panel)
        mark_peak(pen, projection.peak_in_picture, hidden=behind)
    draw_scale_bar(pen, SCALE_BAR_AT, painted[0][0].pixels_per_mm / SCALE)
    draw_colour_bar(pen, scale, "von Mises stress (MPa)", COLOUR_BAR)
    for row, text in zip(NUMBER_ROWS, headline_numbers(mesh), strict=False):
        pen.write((WIDTH - MARGIN, row), text, HEADLINE_NUMBER if row == NUMBER_ROWS[0] else SMALL, anchor="ra")
    top = PANEL_TOP * SCALE
    parts = (
        image.crop((0, 0, image.width, top)),
        notice_band(caption, WIDTH),
        image.crop((0, top, *image.size)),
        comparison_row(mesh),
    )
    _stack([part for part in parts if part]).reduce(SCALE).save(path, format="PNG", compress_level=PNG_LEVEL)


def _stack(parts: list[Image.Image]) -> Image.Image:
    """Return the pictures, all of one width, below each other."""
    whole = Image.new("RGB", (parts[0].width, sum(part.height for part in parts)))
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    return whole

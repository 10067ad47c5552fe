"""``preview.png``: the stressed surface in three views, for a reader who opens one picture.

Our own rasteriser (`workers.results.rasteriser`) and Pillow draw it, without OpenGL; the same field gives the same
bytes.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from workers.results.bone_row import bone_row
from workers.results.captions import Caption
from workers.results.colour_bar import OF_SURFACE, draw_colour_bar
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


def draw_views(mesh: StressedMesh, is_uncalibrated: bool = False) -> Image.Image:
    """Draw three views of the surface coloured by von Mises stress, with one colour bar in MPa.

    Where the mesh has a solution beside the prediction, both and their difference stand below; where it has a density,
    cuts through density, stress and yield ratio. `is_uncalibrated` says that nothing calibrated the density.
    """
    scale = sequential_scale(mesh.surface_von_mises)
    picture = blank_picture()
    painted = paint_cells(picture, [Cell(panel, mesh.surface_von_mises, scale) for panel in PANELS], mesh)
    image = Image.fromarray(picture)
    pen = Pen(image)
    for projection, behind in painted:
        letter_panel(pen, projection.panel)
        mark_peak(pen, projection.peak_in_picture, hidden=behind)
    draw_scale_bar(pen, SCALE_BAR_AT, painted[0][0].pixels_per_mm / SCALE)
    draw_colour_bar(pen, scale, f"von Mises stress (MPa){OF_SURFACE}", COLOUR_BAR)
    for row, text in zip(NUMBER_ROWS, headline_numbers(mesh), strict=False):
        pen.write((WIDTH - MARGIN, row), text, HEADLINE_NUMBER if row == NUMBER_ROWS[0] else SMALL, anchor="ra")
    views = image.crop((0, PANEL_TOP * SCALE, *image.size))
    rows = (views, comparison_row(mesh), bone_row(mesh, is_uncalibrated))
    return _stack([row for row in rows if row]).reduce(SCALE)


def write_preview(path: Path, views: Image.Image, caption: Caption) -> None:
    """Write the views as PNG, below a headline and what a reader should know first, warnings above all."""
    head = Image.new("RGB", (WIDTH * SCALE, PANEL_TOP * SCALE), "white")
    write_headline(Pen(head), caption, WIDTH)
    above = [part.reduce(SCALE) for part in (head, notice_band(caption, WIDTH)) if part]
    _stack([*above, views]).save(path, format="PNG", compress_level=PNG_LEVEL)


def _stack(parts: list[Image.Image]) -> Image.Image:
    """Return the pictures, all of one width, below each other."""
    whole = Image.new("RGB", (parts[0].width, sum(part.height for part in parts)))
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    return whole

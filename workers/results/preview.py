"""``preview.png``: the stressed surface in three views, for a reader who opens one picture.

Our own rasteriser (`workers.results.rasteriser`) and Pillow draw it, without OpenGL; the same field gives the same
bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from models.types import Bytes
from workers.geometry.weighted_statistics import weighted_percentiles
from workers.results.captions import Caption
from workers.results.colour_bar import draw_colour_bar
from workers.results.colour_scale import scale_end
from workers.results.lettering import MARGIN, SMALL, draw_scale_bar, letter_panel, mark_peak, write_headline
from workers.results.notice_band import notice_band
from workers.results.panels import (
    PANEL_HEIGHT,
    PANEL_TOP,
    PANEL_WIDTH,
    PANELS,
    Projection,
    common_scale,
    project,
)
from workers.results.pen import SCALE, Box, Pen, TextStyle
from workers.results.rasteriser import rasterise
from workers.results.shading import shade
from workers.results.stressed_mesh import StressedMesh

WIDTH, HEIGHT = PANEL_WIDTH * len(PANELS), 760
"""Size of the finished picture without the warnings, pixels, as all positions here. What follows lies in the 104 rows
below the panels."""
SCALE_BAR_AT = (56, HEIGHT - 56)
COLOUR_BAR = Box(WIDTH * 0.29, HEIGHT - 66, WIDTH * 0.42, 20)
"""In the middle, clear of the scale bar at its left and the numbers at its right."""
HEADLINE_NUMBER = TextStyle(20, bold=True)
NUMBER_ROWS = (HEIGHT - 84, HEIGHT - 54, HEIGHT - 30)
HEADLINE_PERCENTILE = 99
PNG_LEVEL = 4
"""Of zlib."""


def write_preview(path: Path, mesh: StressedMesh, caption: Caption) -> None:
    """Draw three views of the surface coloured by von Mises stress, with one colour bar in MPa, as PNG.

    What a reader should know first, warnings above all, stands above the views.
    """
    end = scale_end(mesh)
    pixels_per_mm = common_scale(mesh.surface.vertices)
    projections = [project(mesh, panel, pixels_per_mm) for panel in PANELS]
    picture = np.full((HEIGHT * SCALE, WIDTH * SCALE, 3), 255, np.uint8)
    hidden = [_paint(picture, projection, mesh, end) for projection in projections]
    image = Image.fromarray(picture)
    pen = Pen(image)
    write_headline(pen, caption, WIDTH)
    for projection, behind in zip(projections, hidden, strict=True):
        letter_panel(pen, projection.panel)
        mark_peak(pen, projection.peak_in_picture, hidden=behind)
    draw_scale_bar(pen, SCALE_BAR_AT, pixels_per_mm / SCALE)
    draw_colour_bar(pen, end, COLOUR_BAR)
    _write_numbers(pen, mesh)
    _with_notice(image, caption).reduce(SCALE).save(path, format="PNG", compress_level=PNG_LEVEL)


def _with_notice(image: Image.Image, caption: Caption) -> Image.Image:
    """Return the picture with the warnings between the headline and the panels, and so much higher."""
    band = notice_band(caption, WIDTH)
    if band is None:
        return image
    whole = Image.new("RGB", (image.width, image.height + band.height), "white")
    top = PANEL_TOP * SCALE
    for part, row in (
        (image.crop((0, 0, image.width, top)), 0),
        (band, top),
        (image.crop((0, top, *image.size)), top + band.height),
    ):
        whole.paste(part, (0, row))
    return whole


def _paint(picture: Bytes, projection: Projection, mesh: StressedMesh, end: float) -> bool:
    """Paint one view of the surface into the picture; return whether bone hides the peak."""
    triangles = mesh.surface.triangles
    hits = rasterise(projection.nodes, triangles, PANEL_HEIGHT * SCALE, PANEL_WIDTH * SCALE)
    panel = picture[PANEL_TOP * SCALE :, projection.panel.left * SCALE :]
    panel[hits.rows, hits.cols] = shade(hits, projection, mesh.surface_von_mises, end)
    return projection.hides_peak(hits)


def _write_numbers(pen: Pen, mesh: StressedMesh) -> None:
    """Write the steady numbers, and the overall peak below them."""
    for row, (text, style) in zip(NUMBER_ROWS, _numbers(mesh), strict=False):
        pen.write((WIDTH - MARGIN, row), text, style, anchor="ra")


def _numbers(mesh: StressedMesh) -> Iterator[tuple[str, TextStyle]]:
    """Yield each line of numbers and its style, the headline first."""
    von_mises, steady = mesh.field.von_mises, mesh.steady_peak_node
    (percentile,) = weighted_percentiles(von_mises, mesh.volumes, (HEADLINE_PERCENTILE,))
    yield f"{HEADLINE_PERCENTILE}th percentile {percentile:.3g} MPa", HEADLINE_NUMBER
    if steady is not None:
        yield f"peak off the endplates {von_mises[steady]:.3g} MPa, {mesh.region_of(steady).replace('_', ' ')}", SMALL
    yield f"peak overall {von_mises[mesh.peak_node]:.3g} MPa, depends on the mesh", SMALL

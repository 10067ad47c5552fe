"""``preview.png``: the stressed surface in three views, for a reader who opens one picture.

Drawn at twice the size by our own rasteriser (`workers.results.rasteriser`) and Pillow, then halved: no OpenGL,
the same bytes from the same field.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from models.template import Template
from models.types import Bytes, Floats
from workers.fem.field import StressField
from workers.geometry.triangles import Surface
from workers.results.captions import Caption, colour_limit, peak_node, region_name
from workers.results.lettering import (
    MUTED,
    SCALE,
    colour_bar,
    compass,
    headline,
    peak_mark,
    scale_bar,
    text,
)
from workers.results.rasteriser import Hits, View, rasterise

COLOUR_MAP = "turbo"
WIDTH, HEIGHT = 1680, 760
PANEL_TOP, PANEL_HEIGHT = 96, 560
SIDE, ABOVE, BELOW = 48, 74, 34
"""Room kept free for the letters of a panel, pixels."""
COLOUR_RANGE = (0.07, 0.98)
"""Part of the map that is used: its ends are too dark to show the form of the bone."""
VIEWS = (
    ("Anterior", View.looking_from((0, 1, 0))),
    ("Left lateral", View.looking_from((-1, 0, 0))),
    ("Superior-posterior", View.looking_from((-0.30, -0.76, 0.58))),
)
LIGHT = np.array([-0.35, 0.55, 0.76])
"""Direction of the lamp in (right, up, toward) coordinates: over the viewer's left shoulder."""


def colour_table() -> Bytes:
    """Return the (256, 3) uint8 table from low to high stress."""
    return (matplotlib.colormaps[COLOUR_MAP](np.linspace(*COLOUR_RANGE, 256))[:, :3] * 255 + 0.5).astype(np.uint8)


def write_preview(path: Path, template: Template, points: Floats, field: StressField, meta: Caption) -> None:
    """Draw three views of the surface coloured by von Mises stress, with one colour bar in MPa.

    Parameters
    ----------
    path
        PNG to write, 1680 x 760 pixels.
    template
        Topology; its first nodes are the surface.
    points
        (n, 3) float64, mm, RAS+.
    field
        Nodal stress, MPa.
    meta
        Level, load and model for the title.
    """
    limit = colour_limit(template, field)
    peak = peak_node(field)
    canvas = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "white")
    pixels = np.array(canvas)
    surface = Surface(points[: template.n_surface], template.triangles)
    scale = _pixels_per_mm(surface.vertices)
    middle = (surface.vertices.min(axis=0) + surface.vertices.max(axis=0)) / 2
    ends = [
        _paint(pixels, panel, view, surface, field, limit, scale, (middle, points[peak]))
        for panel, (_, view) in enumerate(VIEWS)
    ]
    canvas = Image.fromarray(pixels)
    draw = ImageDraw.Draw(canvas)
    headline(draw, meta, WIDTH)
    panel_width = WIDTH / len(VIEWS)
    for panel, ((name, view), (column, row, hidden)) in enumerate(zip(VIEWS, ends, strict=True)):
        compass(draw, name, view, panel * panel_width, PANEL_TOP, panel_width, PANEL_HEIGHT)
        peak_mark(draw, column, row, hidden=hidden)
    scale_bar(draw, 56, HEIGHT - 56, scale / SCALE)
    colour_bar(canvas, colour_table(), limit, WIDTH * 0.29, HEIGHT - 66, WIDTH * 0.42)
    value = f"Peak {field.von_mises[peak]:.3g} MPa"
    text(draw, (WIDTH - 32, HEIGHT - 68), value, 20, anchor="ra", bold=True)
    place = region_name(template, peak).replace("_", " ")
    text(draw, (WIDTH - 32, HEIGHT - 40), place, 16, colour=MUTED, anchor="ra")
    canvas.reduce(SCALE).save(path, format="PNG", compress_level=4)


def _pixels_per_mm(points: Floats) -> float:
    """Return one scale for all views, in drawing pixels a mm, at which every view fits its panel."""
    room = np.array([WIDTH / len(VIEWS) - 2 * SIDE, PANEL_HEIGHT - ABOVE - BELOW]) * SCALE
    spans = [np.ptp(view.project(points), axis=0)[:2] for _, view in VIEWS]
    return float(min((room / span).min() for span in spans))


def _paint(
    pixels: Bytes,
    panel: int,
    view: View,
    surface: Surface,
    field: StressField,
    limit: float,
    scale: float,
    marks: tuple[Floats, Floats],
) -> tuple[float, float, bool]:
    """Paint one view into `pixels`; return where the peak lies (column, row) and whether it is hidden."""
    middle, peak = marks
    width, height = WIDTH * SCALE // len(VIEWS), PANEL_HEIGHT * SCALE
    seen = view.project(np.vstack([surface.vertices, peak]) - middle)
    extent = seen[:-1]
    shift = (extent.min(axis=0) + extent.max(axis=0)) / 2
    screen = (seen - shift) * (scale, -scale, scale) + (width / 2, (height + (ABOVE - BELOW) * SCALE) / 2, 0)
    hits = rasterise(screen[:-1], surface.triangles, height, width)
    colours = _shade(hits, surface, field, view, screen[:-1, 2] / scale, limit, (height, width))
    target = pixels[PANEL_TOP * SCALE :, panel * width :]
    target[hits.rows, hits.cols] = colours
    near = np.hypot(hits.cols - screen[-1, 0], hits.rows - screen[-1, 1]) < SCALE
    depth = hits.interpolate(surface.triangles, screen[:-1, 2])[near]
    hidden = not near.any() or bool(depth.max() > screen[-1, 2] + scale)
    return panel * width + screen[-1, 0], PANEL_TOP * SCALE + screen[-1, 1], hidden


def _shade(
    hits: Hits,
    surface: Surface,
    field: StressField,
    view: View,
    depth_mm: Floats,
    limit: float,
    shape: tuple[int, int],
) -> Bytes:
    """Return (p, 3) uint8 colours: the table at the pixel's stress, times a soft lamp and a depth cue."""
    triangles = surface.triangles
    stress = hits.interpolate(triangles, field.von_mises[: len(surface.vertices)])
    normal = hits.interpolate(triangles, view.project(surface.normals))
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    lamp = np.clip(normal @ LIGHT.astype(np.float32), 0, 1)
    depth = np.full(shape, depth_mm.min(), np.float32)
    depth[hits.rows, hits.cols] = hits.interpolate(triangles, depth_mm)
    behind = np.clip(gaussian_filter(depth, 12, truncate=2) - depth, 0, 6)[hits.rows, hits.cols]
    light = (0.62 + 0.28 * lamp + 0.13 * np.clip(normal[:, 2], 0, 1)) * (1 - 0.075 * behind)
    index = np.clip(stress / limit * 255 + 0.5, 0, 255).astype(np.int64)
    base = colour_table()[index].astype(np.float32)
    gloss = 26 * np.clip(2 * lamp * normal[:, 2] - LIGHT[2], 0, 1) ** 12
    return np.clip(base * light[:, None] + gloss[:, None], 0, 255).astype(np.uint8)

"""The second row of ``preview.png`` where the bone has its own density: density, stress and yield ratio inside it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from models.template import Template
from models.types import Bytes, Floats
from workers.results.captions import UNCALIBRATED
from workers.results.colour_bar import draw_colour_bar
from workers.results.colour_scale import MATERIAL, PERCENTILE, SEQUENTIAL, ColourScale, sequential_scale
from workers.results.lettering import letter_panel
from workers.results.panel_painting import blank_picture
from workers.results.panels import (
    HEIGHT,
    LEFT_LATERAL,
    PANEL_HEIGHT,
    PANEL_TOP,
    PANEL_WIDTH,
    WIDTH,
    Panel,
    common_scale,
    onto_panel,
)
from workers.results.pen import SCALE, Box, Pen
from workers.results.rasteriser import rasterise
from workers.results.sagittal_cut import SagittalCut
from workers.results.stressed_mesh import StressedMesh

BAR_INSET, BAR_WIDTH = 0.12, 0.76
"""Of a colour bar in its panel, over the panel's width."""
BAR_TOP = HEIGHT - 66


class _Shown(NamedTuple):
    """A panel: its name, the values (n,) that it shows, their colours, and the title of the colour bar."""

    name: str
    values: Floats
    scale: ColourScale
    title: str


def bone_row(mesh: StressedMesh, is_uncalibrated: bool) -> Image.Image | None:
    """Draw the row, `SCALE` times larger: mid-sagittal cuts; None where the bone has no density of its own."""
    if "density" not in mesh.extra:
        return None
    cut = _cut(mesh.template)
    picture = blank_picture()
    pixels_per_mm = common_scale(mesh.surface.vertices)
    panels = []
    for k, shown in enumerate(_shown(mesh, cut, is_uncalibrated)):
        panel = replace(LEFT_LATERAL, name=shown.name, left=k * PANEL_WIDTH)
        screen = onto_panel(cut.at_corners(mesh.points), mesh, panel, pixels_per_mm)
        _paint(picture, panel, screen, shown.scale, cut.at_corners(shown.values))
        panels.append((panel, shown))
    image = Image.fromarray(picture)
    pen = Pen(image)
    for panel, shown in panels:
        letter_panel(pen, panel)
        box = Box(panel.left + BAR_INSET * PANEL_WIDTH, BAR_TOP, BAR_WIDTH * PANEL_WIDTH, 20)
        draw_colour_bar(pen, shown.scale, shown.title, box)
    return image.crop((0, PANEL_TOP * SCALE, WIDTH * SCALE, HEIGHT * SCALE))


@lru_cache(maxsize=1)
def _cut(template: Template) -> SagittalCut:
    """Return the cut, which is the same places in every subject."""
    return SagittalCut.of(template)


def _shown(mesh: StressedMesh, cut: SagittalCut, is_uncalibrated: bool) -> list[_Shown]:
    density, ratio = (np.asarray(mesh.extra[name].values) for name in (MATERIAL[0], "yield_ratio"))
    guessed, end = f", {UNCALIBRATED}" if is_uncalibrated else "", f", to the {PERCENTILE:g}th percentile of the cut"
    return [
        _Shown(
            f"Bone density, mid-sagittal{guessed}",
            density,
            sequential_scale(cut.at_corners(density), SEQUENTIAL[1]),
            f"mg/cm³ of K2HPO4{end}",
        ),
        _Shown(
            "Von Mises stress, mid-sagittal",
            mesh.field.von_mises,
            sequential_scale(mesh.surface_von_mises),
            "MPa, the scale of the surface above",
        ),
        _Shown(
            f"Stress over yield stress{guessed}",
            ratio,
            sequential_scale(cut.at_corners(ratio)),
            f"yield ratio, 1 yields{end}",
        ),
    ]


def _paint(picture: Bytes, panel: Panel, screen: Floats, scale: ColourScale, values: Floats) -> None:
    """Paint triangles whose corners follow each other, (3 t, 3) pixels, in the flat colours of their values (3 t,)."""
    triangles = np.arange(len(screen), dtype=np.int32).reshape(-1, 3)
    a, b, c = (screen[triangles[:, k], :2] for k in range(3))
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    turned = ux * vy - uy * vx > 0.0  # they would face away
    triangles[turned] = triangles[turned][:, ::-1]
    hits = rasterise(screen, triangles, PANEL_HEIGHT * SCALE, PANEL_WIDTH * SCALE)
    canvas = picture[PANEL_TOP * SCALE :, panel.left * SCALE :]
    canvas[hits.rows, hits.cols] = scale.colours(hits.interpolate(triangles, values))

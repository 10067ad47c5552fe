"""Paints the surface into the panels of ``preview.png``, each with values and colours of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.types import Bytes, Floats
from workers.results.colour_scale import ColourScale
from workers.results.panels import (
    HEIGHT,
    PANEL_HEIGHT,
    PANEL_TOP,
    PANEL_WIDTH,
    WIDTH,
    Panel,
    Projection,
    common_scale,
    project,
)
from workers.results.pen import SCALE
from workers.results.rasteriser import rasterise
from workers.results.shading import shade
from workers.results.stressed_mesh import StressedMesh


class Cell(NamedTuple):
    """A panel, and what it shows: values (n_surface,) of the surface nodes and their colours."""

    panel: Panel
    values: Floats
    scale: ColourScale


def blank_picture() -> Bytes:
    """Return the white picture (rows, columns, 3) uint8, `SCALE` times larger than the finished one."""
    return np.full((HEIGHT * SCALE, WIDTH * SCALE, 3), 255, np.uint8)


def paint_cells(picture: Bytes, cells: Sequence[Cell], mesh: StressedMesh) -> list[tuple[Projection, bool]]:
    """Paint the surface into the panels; return each one's projection and whether bone hides the peak in it."""
    pixels_per_mm = common_scale(mesh.surface.vertices)
    painted = []
    for cell in cells:
        projection = project(mesh, cell.panel, pixels_per_mm)
        painted.append((projection, _paint(picture, projection, cell)))
    return painted


def _paint(picture: Bytes, projection: Projection, cell: Cell) -> bool:
    hits = rasterise(projection.nodes, projection.surface.triangles, PANEL_HEIGHT * SCALE, PANEL_WIDTH * SCALE)
    panel = picture[PANEL_TOP * SCALE :, projection.panel.left * SCALE :]
    panel[hits.rows, hits.cols] = shade(hits, projection, cell.values, cell.scale)
    return projection.hides_peak(hits)

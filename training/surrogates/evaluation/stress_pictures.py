"""Pictures of a vertebra coloured by a nodal field, and grids of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from models.template import Template
from models.types import Bytes, Floats, Reals
from workers.geometry.surface import Surface
from workers.results.colour_scale import DIVERGING, SEQUENTIAL, ColourScale
from workers.results.rasteriser import rasterise
from workers.results.views import View

VIEW = View.looking_from((0.35, 0.85, -0.4))
"""From in front and a little below, where body, inferior endplate and processes are all seen."""
PIXELS_PER_MM = 3.2
MARGIN_PIXELS = 4
AMBIENT, FACING = 0.72, 0.28
"""Light from everywhere, and on what faces the viewer."""
LEAST_NORMAL = 1e-6
"""Keeps a normal that interpolates to nothing from dividing by zero."""
CELL_INCHES = (3.1, 2.7)


@dataclass(frozen=True)
class Cell:
    """One picture of a gallery: its title, its image (h, w, 3), and the ends of its colour scale, MPa."""

    title: str
    image: Bytes
    low: float
    high: float


def stress_cell(title: str, points: Floats, template: Template, values: Reals, low: float, high: float) -> Cell:
    """Return the surface of a mesh, seen along `VIEW` and coloured by nodal values.

    Parameters
    ----------
    title
        Stands above the picture.
    points, template
        (n, 3) nodes, mm, and their topology.
    values
        (n,) MPa.
    low, high
        Ends of the colour scale, MPa; a scale that starts below zero is that of a signed field.
    """
    surface = Surface(points[: template.n_surface], template.triangles)
    projected = VIEW.project(surface.vertices - surface.vertices.mean(axis=0))
    corner = projected.min(axis=0)
    width, height = (int(np.ceil(v)) + 2 * MARGIN_PIXELS for v in np.ptp(projected, axis=0)[:2] * PIXELS_PER_MM)
    scale, offset = (PIXELS_PER_MM, -PIXELS_PER_MM, PIXELS_PER_MM), (MARGIN_PIXELS, height - MARGIN_PIXELS, 0)
    screen = (projected - corner) * scale + offset
    hits = rasterise(screen, surface.triangles, height, width)
    image = np.full((height, width, 3), 255, np.uint8)
    stress = hits.interpolate(surface.triangles, values[: template.n_surface].astype(np.float32))
    normal = hits.interpolate(surface.triangles, VIEW.project(surface.normals))
    facing = np.clip(normal[:, 2] / np.maximum(np.linalg.norm(normal, axis=1), LEAST_NORMAL), 0, 1)
    light = AMBIENT + FACING * facing
    colours = ColourScale(low, high, SEQUENTIAL[0] if low >= 0 else next(iter(DIVERGING)))
    image[hits.rows, hits.cols] = colours.colours(stress) * light[:, None]
    return Cell(title, image, low, high)


def save_gallery(path: Path, rows: Sequence[tuple[str, list[Cell]]]) -> None:
    """Save a grid of pictures; each row has a label and its cells."""
    columns = max(len(cells) for _, cells in rows)
    size = (CELL_INCHES[0] * columns, CELL_INCHES[1] * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for (label, cells), line in zip(rows, axes, strict=True):
        for cell, ax in zip(cells, line, strict=False):
            ax.imshow(cell.image)
            ax.set_title(f"{cell.title}\n{cell.low:.2g} to {cell.high:.2g} MPa", fontsize=8)
        line[0].set_ylabel(label, fontsize=8)
        for ax in line:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    figure.savefig(path, dpi=100)

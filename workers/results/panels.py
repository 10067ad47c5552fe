"""The three panels of ``preview.png``: the view that each shows, and where the surface lies in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats
from workers.geometry.surface import Surface
from workers.results.pen import SCALE, Box
from workers.results.rasteriser import Hits
from workers.results.stressed_mesh import StressedMesh
from workers.results.views import View

PANEL_WIDTH, PANEL_HEIGHT = 560, 560
"""Size of a panel, pixels of the finished picture, as all sizes here."""
PANEL_TOP = 96
"""First row of the panels: the headline lies above."""
SIDE, ABOVE, BELOW = 48, 74, 34
"""Room beside, above and below the bone, which the name of the view and the orientation letters need."""
COVER_MM = 1.0
"""The peak is hidden where bone lies more than this in front of it; less is its own triangle and the interpolation."""


@dataclass(frozen=True)
class Panel:
    """One view of the picture.

    Attributes
    ----------
    name
        Of the view, as written above it.
    view
        Its camera.
    left
        First column of the panel, pixels.
    """

    name: str
    view: View
    left: int

    @property
    def box(self) -> Box:
        """The whole panel."""
        return Box(self.left, PANEL_TOP, PANEL_WIDTH, PANEL_HEIGHT)


LEFT_LATERAL = Panel("Left lateral", View.looking_from((-1, 0, 0)), PANEL_WIDTH)
PANELS = (
    Panel("Anterior", View.looking_from((0, 1, 0)), 0),
    LEFT_LATERAL,
    Panel("Superior-posterior", View.looking_from((-0.30, -0.76, 0.58)), 2 * PANEL_WIDTH),
)
WIDTH, HEIGHT = PANEL_WIDTH * len(PANELS), 760
"""Size of the finished picture without warnings and comparison, pixels. What follows the panels lies in its last 104
rows."""


@dataclass(frozen=True)
class Projection:
    """The surface and its peak as one panel shows them, in drawing pixels from the panel's corner.

    Attributes
    ----------
    panel
        Where it is shown.
    surface
        The surface in the world, mm.
    nodes
        (n, 3) float64: column, row (downward) and depth (larger is nearer) of its vertices.
    peak
        (3,) float64: the same of the steady peak, the node of largest von Mises stress away from the endplates.
    pixels_per_mm
        Drawing pixels.
    """

    panel: Panel
    surface: Surface
    nodes: Floats
    peak: Floats
    pixels_per_mm: float

    @property
    def peak_in_picture(self) -> tuple[float, float]:
        """Column and row of the peak in the finished picture."""
        column, row = self.panel.left * SCALE + self.peak[0], PANEL_TOP * SCALE + self.peak[1]
        return column / SCALE, row / SCALE

    def hides_peak(self, hits: Hits) -> bool:
        """Say whether bone covers the peak, looking at the hits within one pixel of it."""
        rows = hits.where(np.abs(hits.rows - self.peak[1]) < SCALE)
        near = rows.where(np.hypot(rows.cols - self.peak[0], rows.rows - self.peak[1]) < SCALE)
        depth = near.interpolate(self.surface.triangles, self.nodes[:, 2])
        return not len(depth) or bool(depth.max() > self.peak[2] + COVER_MM * self.pixels_per_mm)


def common_scale(vertices: Floats) -> float:
    """Return the scale, drawing pixels a mm, at which the surface (n, 3), mm, fits every panel."""
    room = np.array([PANEL_WIDTH - 2 * SIDE, PANEL_HEIGHT - ABOVE - BELOW]) * SCALE
    spans = [np.ptp(panel.view.project(vertices), axis=0)[:2] for panel in PANELS]
    return float(min((room / span).min() for span in spans))


def project(mesh: StressedMesh, panel: Panel, pixels_per_mm: float) -> Projection:
    """Project the surface into the middle of the room that a panel has for it."""
    peak = mesh.peak_node if mesh.steady_peak_node is None else mesh.steady_peak_node
    screen = onto_panel(np.vstack([mesh.surface.vertices, mesh.points[peak]]), mesh, panel, pixels_per_mm)
    return Projection(panel, mesh.surface, screen[:-1], screen[-1], pixels_per_mm)


def onto_panel(points: Floats, mesh: StressedMesh, panel: Panel, pixels_per_mm: float) -> Floats:
    """Return column, row and depth (k, 3), drawing pixels, of world points where the bone is in the panel's middle."""
    vertices = mesh.surface.vertices
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    bone = panel.view.project(vertices - middle)
    shift = (bone.min(axis=0) + bone.max(axis=0)) / 2
    width, height = PANEL_WIDTH * SCALE, PANEL_HEIGHT * SCALE
    centre = (width / 2, (height + (ABOVE - BELOW) * SCALE) / 2, 0)
    seen = panel.view.project(points - middle) - shift
    return seen * (pixels_per_mm, -pixels_per_mm, pixels_per_mm) + centre

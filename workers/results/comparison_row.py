"""The second row of ``preview.png`` where prediction and solution are both there: both, and their difference."""

from __future__ import annotations

from dataclasses import replace

from PIL import Image

from workers.results.colour_bar import OF_SURFACE, draw_colour_bar
from workers.results.colour_scale import diverging_scale, sequential_scale
from workers.results.lettering import letter_panel
from workers.results.panel_painting import Cell, blank_picture, paint_cells
from workers.results.panels import HEIGHT, LEFT_LATERAL, PANEL_TOP, PANEL_WIDTH, WIDTH
from workers.results.pen import SCALE, Box, Pen
from workers.results.stressed_mesh import StressedMesh

NAMES = ("Prediction, left lateral", "Finite-element solution", "Prediction − solution")
STRESS_BAR = Box(PANEL_WIDTH * 0.55, HEIGHT - 66, PANEL_WIDTH * 0.9, 20)
"""Below the two panels that it belongs to, pixels of the finished picture."""
DIFFERENCE_BAR = Box(PANEL_WIDTH * 2.12, HEIGHT - 66, PANEL_WIDTH * 0.76, 20)


def comparison_row(mesh: StressedMesh) -> Image.Image | None:
    """Draw the row, `SCALE` times larger; None where the mesh has no solution beside the prediction."""
    if "von_mises_fe" not in mesh.extra:
        return None
    n = mesh.template.n_surface
    predicted, solved = mesh.surface_von_mises, mesh.extra["von_mises_fe"].values[:n]
    stress, difference = sequential_scale(solved), diverging_scale(predicted - solved)
    panels = [replace(LEFT_LATERAL, name=name, left=k * PANEL_WIDTH) for k, name in enumerate(NAMES)]
    values = (predicted, solved, predicted - solved)
    scales = (stress, stress, difference)
    cells = [Cell(*each) for each in zip(panels, values, scales, strict=True)]
    picture = blank_picture()
    paint_cells(picture, cells, mesh)
    image = Image.fromarray(picture)
    pen = Pen(image)
    for panel in panels:
        letter_panel(pen, panel)
    draw_colour_bar(pen, stress, f"von Mises stress (MPa){OF_SURFACE}", STRESS_BAR)
    draw_colour_bar(pen, difference, f"difference (MPa){OF_SURFACE}", DIFFERENCE_BAR)
    return image.crop((0, PANEL_TOP * SCALE, WIDTH * SCALE, HEIGHT * SCALE))

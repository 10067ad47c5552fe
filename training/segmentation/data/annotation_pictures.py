"""Pictures to mark vertebral bodies on: along the spine with a grid in mm RAS, and axial slices at candidate bodies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.types import Floats
from training.segmentation.data.annotations import Annotation
from training.segmentation.data.spine_planes import (
    SpineCurve,
    SpinePlane,
    cut_axial,
    cut_coronal,
    cut_sagittal,
    project_ribs,
    scan_heights,
)
from workers.imaging.volume import Volume

PART_MM, SHARED_MM = 130.0, 30.0
"""Height of one picture, and what two pictures of one spine share: more could not be read on a screen."""
SPINE_HU, RIB_HU = (0.0, 350.0), (0.0, 700.0)
"""HU shown as black and as white."""
GRID_MM = 10.0
PIXELS_A_MM, DPI = 4.3, 80
AXIAL_HALF_MM, AXIAL_COLUMNS = 65.0, 4


def draw_spine(folder: Path, name: str, ct: Volume, curve: SpineCurve, marks: Annotation | None = None) -> list[Path]:
    """Draw sagittal and coronal planes along the spine, and the ribs' starts, part by part from the top.

    Parameters
    ----------
    folder, name
        Where the PNG files go, and how they begin.
    ct
        HU.
    curve
        Where the spine runs.
    marks
        Drawn as crosses with level names; None for pictures to mark on.
    """
    bottom, top = scan_heights(ct)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    while True:
        low = max(top - PART_MM, bottom)
        planes = (
            cut_sagittal(ct, curve, low, top),
            cut_coronal(ct, curve, low, top),
            project_ribs(ct, curve, low, top),
        )
        paths.append(folder / f"{name}_spine{len(paths)}.png")
        _draw_part(paths[-1], planes, marks)
        if low <= bottom:
            return paths
        top = low + SHARED_MM


def _draw_part(path: Path, planes: tuple[SpinePlane, ...], marks: Annotation | None) -> None:
    widths = [float(np.ptp(plane.columns)) for plane in planes]
    height = float(np.ptp(planes[0].heights))
    size = (np.array([sum(widths), height]) * PIXELS_A_MM + [120, 80]) / DPI
    figure = Figure(figsize=(float(size[0]), float(size[1])), layout="constrained")
    columns = figure.subplots(1, len(planes), width_ratios=widths)
    titles = ("sagittal, y mm", "coronal, x mm", "behind the bodies, brightest, x mm")
    for axes, plane, axis, title in zip(columns, planes, (1, 0, 0), titles, strict=True):
        _show(axes, plane, RIB_HU if "brightest" in title else SPINE_HU)
        axes.set_xlabel(title, fontsize=7)
        if marks is not None:
            _mark(axes, marks, axis)
    figure.savefig(path, dpi=DPI)


def draw_axial(path: Path, ct: Volume, centres: Floats, names: list[str]) -> None:
    """Draw an axial slice through each point (n, 3) mm, named."""
    rows = -(-len(centres) // AXIAL_COLUMNS)
    figure = Figure(figsize=(4.2 * AXIAL_COLUMNS, 4.3 * rows), layout="constrained")
    grid = figure.subplots(rows, AXIAL_COLUMNS, squeeze=False)
    for axes in grid.flat[len(centres) :]:
        axes.set_axis_off()
    for axes, centre, name in zip(grid.flat, centres, names, strict=False):
        _show(axes, cut_axial(ct, centre, AXIAL_HALF_MM), SPINE_HU)
        axes.plot(*centre[:2], "+", color="tab:red", markersize=12)
        axes.set_title(f"{name}: {', '.join(f'{v:.0f}' for v in centre)}", fontsize=8)
    figure.savefig(path, dpi=DPI)


def _show(axes: Axes, plane: SpinePlane, shown: tuple[float, float]) -> None:
    """Draw a plane over a grid of `GRID_MM`."""
    across, up = plane.columns, plane.heights
    extent = (float(across[0]), float(across[-1]), float(up[0]), float(up[-1]))
    axes.imshow(plane.hu, origin="lower", cmap="gray", vmin=shown[0], vmax=shown[1], extent=extent, aspect="equal")
    axes.set_xticks(np.arange(np.ceil(across[0] / GRID_MM) * GRID_MM, across[-1], GRID_MM))
    axes.set_yticks(np.arange(np.ceil(up[0] / GRID_MM) * GRID_MM, up[-1], GRID_MM))
    axes.grid(color="yellow", alpha=0.25, linewidth=0.5)
    axes.tick_params(labelsize=6)
    axes.tick_params(axis="x", rotation=90)


def _mark(axes: Axes, marks: Annotation, axis: int) -> None:
    """Draw the marked bodies, red where they are not whole."""
    low, high = axes.get_ylim()
    for body in marks.bodies:
        x, z = body.centre[axis], body.centre[2]
        if low <= z <= high:
            colour = "lime" if body.whole else "tab:red"
            axes.plot(x, z, "+", color=colour, markersize=10)
            axes.annotate(body.level, (x, z), (4, 4), textcoords="offset points", color=colour, fontsize=8)

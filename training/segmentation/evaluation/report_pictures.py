"""Pictures of the generator, of segmentations and of trainings, for ``docs/evaluation``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.types import Singles
from training.segmentation.data.reference_cases import HALF_FILLED, ReferenceCase
from training.segmentation.data.scan_files import CropScan, TrunkScan
from training.segmentation.evaluation.overlap import mask_on_grid, values_on_grid
from workers.imaging.resampling import CROP_STEP_MM
from workers.imaging.volume import Volume

SHOWN_HU = (-200.0, 600.0)
"""HU shown as black and as white."""
BOX_MM = 60.0
"""Half the side of what is shown around a body centre."""
DPI = 80
VIEWS = (2, 0, 1)
"""Axes that the rows look along: axial, sagittal, coronal."""
REFERENCE_COLOUR, SEGMENTATION_COLOUR = "tab:green", "tab:red"


def _show(axes: Axes, plane: NDArray[Any], aspect: float, outlines: tuple[tuple[NDArray[Any], str], ...] = ()) -> None:
    axes.imshow(plane.T, origin="lower", cmap="gray", vmin=SHOWN_HU[0], vmax=SHOWN_HU[1], aspect=aspect)
    for mask, colour in outlines:
        if mask.any():
            axes.contour(mask.T.astype(float), [0.5], colors=colour, linewidths=0.9)
    axes.set_axis_off()


def draw_generator(path: Path, trunks: list[TrunkScan], crops: list[CropScan]) -> None:
    """Draw synthetic trunks and their labels (first row), then crops around single vertebrae with the target."""
    columns = max(2 * len(trunks), len(crops))
    figure = Figure(figsize=(2.2 * columns, 7.0), layout="constrained")
    grid = figure.subplots(3, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for i, trunk in enumerate(trunks):
        x = int(np.median(trunk.centres[:, 0]))
        _show(grid[0, 2 * i], trunk.image[x], 1.0)
        grid[0, 2 * i + 1].imshow(np.ma.masked_equal(trunk.bone[x].T, 0), origin="lower", cmap="nipy_spectral")
    for i, crop in enumerate(crops):
        x, _, z = np.rint(crop.centre).astype(int)
        inside = crop.inside > HALF_FILLED
        _show(grid[1, i], crop.image[:, :, z], 1.0, ((inside[:, :, z], SEGMENTATION_COLOUR),))
        _show(grid[2, i], crop.image[x], CROP_STEP_MM[2], ((inside[x], SEGMENTATION_COLOUR),))
        grid[1, i].set_title(crop.level, fontsize=9)
    figure.savefig(path, dpi=DPI)


def draw_overlays(path: Path, shown: list[tuple[ReferenceCase, Volume]]) -> None:
    """Draw the reference (green) and the segmentation (red) of each case, one at least: axial, sagittal, coronal."""
    figure = Figure(figsize=(2.4 * len(shown), 6.6), layout="constrained")
    grid = figure.subplots(len(VIEWS), len(shown), squeeze=False)
    for column, (case, mask) in zip(grid.T, shown, strict=True):
        _draw_case(column, case, mask)
    figure.savefig(path, dpi=DPI)


def _draw_case(column: NDArray[Any], case: ReferenceCase, mask: Volume) -> None:
    ct: Singles = values_on_grid(Volume(case.ct.voxels.astype(np.float32), case.ct.affine), case.reference)
    volumes = ct, case.reference.voxels > 0, mask_on_grid(mask, case.reference)
    index = np.linalg.inv(case.reference.affine) @ np.append(case.centre, 1.0)
    spacing = case.reference.spacing
    box = tuple(
        slice(int(max(c - BOX_MM / s, 0)), int(min(c + BOX_MM / s, n)))
        for c, s, n in zip(index[:3], spacing, case.reference.voxels.shape, strict=True)
    )
    middle = [round(float(c)) - side.start for c, side in zip(index[:3], box, strict=True)]
    for axes, axis in zip(column, VIEWS, strict=True):
        plane, reference, ours = (np.take(volume[box], middle[axis], axis=axis) for volume in volumes)
        across, up = (other for other in range(3) if other != axis)
        outlines = ((reference, REFERENCE_COLOUR), (ours, SEGMENTATION_COLOUR))
        _show(axes, plane, float(spacing[up] / spacing[across]), outlines)
    column[0].set_title(case.name, fontsize=8)


def draw_curves(path: Path, curves: Mapping[str, list[dict[str, float]]]) -> None:
    """Draw the training loss and the F1 score of people held out of each network with curves, by its name."""
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    for name, curve in curves.items():
        if curve:
            steps = [point["step"] for point in curve]
            losses.plot(steps, [point["loss"] for point in curve], label=name)
            scores.plot(steps, [point["f1"] for point in curve], label=name)
    losses.set(xlabel="step", ylabel="training loss")
    scores.set(xlabel="step", ylabel="F1 of people held out")
    if scores.lines:
        scores.legend()
    figure.savefig(path, dpi=DPI)

"""Pictures of the generator and of segmentations, for ``docs/evaluation``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.segmentation.data.reference_cases import ReferenceCase
from training.segmentation.data.synthetic_scans import CropScan, TrunkScan
from training.segmentation.evaluation.overlap import on_grid
from workers.imaging.resampling import CROP_STEP_MM
from workers.imaging.volume import Volume

WINDOW = (-200.0, 600.0)


def _show(axes: Axes, plane: NDArray[Any], aspect: float, outlines: tuple[tuple[NDArray[Any], str], ...] = ()) -> None:
    axes.imshow(plane.T, origin="lower", cmap="gray", vmin=WINDOW[0], vmax=WINDOW[1], aspect=aspect)
    for mask, colour in outlines:
        if mask.any():
            axes.contour(mask.T.astype(float), [0.5], colors=colour, linewidths=0.9)
    axes.set_axis_off()


def generator(path: Path, trunks: list[TrunkScan], crops: list[CropScan]) -> None:
    """Draw synthetic trunks and their labels (first row), then surroundings of single vertebrae with the target."""
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
        _show(grid[1, i], crop.image[:, :, z], 1.0, ((crop.inside[:, :, z] > 127, "tab:red"),))
        _show(grid[2, i], crop.image[x], CROP_STEP_MM[2], ((crop.inside[x] > 127, "tab:red"),))
        grid[1, i].set_title(crop.level, fontsize=9)
    figure.savefig(path, dpi=80)


def overlays(path: Path, shown: list[tuple[ReferenceCase, Volume]]) -> None:
    """Draw the reference (green) and the segmentation (red) of each case, one at least: axial, sagittal, coronal."""
    figure = Figure(figsize=(2.4 * len(shown), 6.6), layout="constrained")
    grid = figure.subplots(3, len(shown), squeeze=False)
    for i, (case, found) in enumerate(shown):
        ours = on_grid(Volume(found.voxels.astype(np.float32), found.affine), case.reference) > 0.5
        truth, ct = (
            case.reference.voxels > 0,
            on_grid(Volume(case.ct.voxels.astype(np.float32), case.ct.affine), case.reference),
        )
        index = np.linalg.inv(case.reference.affine) @ np.append(case.centre, 1.0)
        spacing = case.reference.spacing
        box = tuple(
            slice(int(max(c - 60.0 / s, 0)), int(min(c + 60.0 / s, n)))
            for c, s, n in zip(index[:3], spacing, truth.shape, strict=True)
        )
        at = [round(float(c)) - b.start for c, b in zip(index[:3], box, strict=True)]
        for row, axis in enumerate((2, 0, 1)):
            planes = [np.take(v[box], at[axis], axis=axis) for v in (ct, truth, ours)]
            rest = [a for a in range(3) if a != axis]
            _show(
                grid[row, i],
                planes[0],
                float(spacing[rest[1]] / spacing[rest[0]]),
                ((planes[1], "tab:green"), (planes[2], "tab:red")),
            )
        grid[0, i].set_title(case.name, fontsize=8)
    figure.savefig(path, dpi=80)

"""The paper's Figs. 12 and 14 to 19, redrawn from our own scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from models.template import Template
from models.types import Floats, Singles
from training.surrogates.evaluation.accuracy_tables import Rows, pick
from training.surrogates.evaluation.methods import FIRST_ORDER, MEAN, PAPER, RAW, SHIPPED
from training.surrogates.evaluation.stress_pictures import save_gallery, stress_cell
from training.surrogates.paper.dataset import COMPONENTS
from workers.results.colour_scale import SEQUENTIAL

MEASURES = (("mae", "MAE, MPa"), ("nmae", "NMAE, %"), ("r2", "R²"))
METHODS = (MEAN, PAPER, FIRST_ORDER, SHIPPED)
LABELS = ("s1", "s2", "s3", "von Mises")
SCALE_PERCENTILE = 99
"""The colour scale ends at this percentile of the true stress, so that one hot node does not darken the rest."""
ERROR_SHARE = 0.2
"""End of the error's colour scale over that of the stress."""
SLAB_HALF_MM = 1.0
"""Half thickness of the sagittal slab whose nodes are shown."""
LEAST_R2 = 0.4
"""Where the axis of R² starts: worse values would hide the differences between the others."""


@dataclass(frozen=True)
class Fields:
    """One shape's von Mises fields, MPa (n,), at `points` (n, 3), mm."""

    name: str
    points: Floats
    true: Singles
    predicted: dict[str, Singles]

    @property
    def scale_end(self) -> float:
        """Where the colour scale ends, MPa."""
        return float(np.percentile(self.true, SCALE_PERCENTILE))


def draw_losses(path: Path, curves: Path) -> None:
    """Draw the loss of the three autoencoders by epoch; the paper's Fig. 12 shows the segmentation's in its place."""
    stored = json.loads(curves.read_text())
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    for ax, (name, curve) in zip(figure.subplots(1, len(stored)), stored.items(), strict=True):
        ax.semilogy(np.array(curve), label=["training", "validation"])
        ax.set(title=f"{name} autoencoder", xlabel="epoch", ylabel="loss (eq. 1 or 3)")
        ax.legend(fontsize=8)
    figure.savefig(path, dpi=100)


def draw_predictions(path: Path, template: Template, shapes: Sequence[Fields]) -> None:
    """Draw Fig. 14: the von Mises stress of the solution, the shipped surrogate and the paper's, a row a shape."""
    rows = []
    for shape in shapes:
        fields = {"finite elements": shape.true, **{name: shape.predicted[name] for name in (SHIPPED, PAPER)}}
        cells = [
            stress_cell(title, shape.points, template, values, 0.0, shape.scale_end) for title, values in fields.items()
        ]
        rows.append((shape.name, cells))
    save_gallery(path, rows)


def draw_smoothing(path: Path, shapes: Sequence[Fields]) -> None:
    """Draw Fig. 15: the paper's surrogate before and after smoothing, at the nodes of a sagittal slab."""
    figure = Figure(figsize=(10, 2.9 * len(shapes)), layout="constrained")
    axes = figure.subplots(len(shapes), 3, squeeze=False)
    for shape, line in zip(shapes, axes, strict=True):
        slab = np.abs(shape.points[:, 0]) < SLAB_HALF_MM
        fields = (
            ("finite elements", shape.true),
            ("decoded", shape.predicted[RAW]),
            ("smoothed", shape.predicted[PAPER]),
        )
        y, z = shape.points[slab, 1], shape.points[slab, 2]
        for ax, (title, values) in zip(line, fields, strict=True):
            ax.scatter(y, z, 2, values[slab], vmin=0, vmax=shape.scale_end, cmap=SEQUENTIAL[0])
            ax.set(title=f"{shape.name}: {title}", xticks=[], yticks=[], aspect="equal")
    figure.savefig(path, dpi=100)


def draw_box_plots(path: Path, rows: Rows, region: str) -> None:
    """Draw Fig. 16 or 17: box plots of MAE, NMAE and R² of every component in one region."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for ax, (key, label) in zip(figure.subplots(1, 3), MEASURES, strict=True):
        for i, method in enumerate(METHODS):
            values = [[row[key] for row in pick(rows, method=method, component=c, region=region)] for c in COMPONENTS]
            positions = np.arange(len(COMPONENTS)) + 0.18 * (i - 1.5)
            plot = ax.boxplot(values, positions=positions, widths=0.15, patch_artist=True, showfliers=key != "r2")
            for box in plot["boxes"]:
                box.set_facecolor(f"C{i}")
            ax.plot([], [], "s", color=f"C{i}", label=method)
        ax.set(title=label, xticks=range(len(COMPONENTS)), xticklabels=LABELS)
        if key == "r2":
            ax.set_ylim(LEAST_R2, 1.01)
    ax.legend(fontsize=7, loc="lower right")
    figure.savefig(path, dpi=100)


def draw_errors(path: Path, template: Template, shapes: Sequence[Fields]) -> None:
    """Draw Fig. 18: prediction of the shipped surrogate, solution and error, a row a shape."""
    rows = []
    for shape in shapes:
        predicted, high = shape.predicted[SHIPPED], shape.scale_end
        largest = ERROR_SHARE * high
        cells = [
            stress_cell("prediction", shape.points, template, predicted, 0.0, high),
            stress_cell("finite elements", shape.points, template, shape.true, 0.0, high),
            stress_cell("error", shape.points, template, predicted - shape.true, -largest, largest),
        ]
        rows.append((shape.name, cells))
    save_gallery(path, rows)


def draw_distances(path: Path, rows: Rows) -> None:
    """Draw Fig. 19: the error against the distance of the shape from the template."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    ax = figure.subplots()
    for i, method in enumerate(METHODS):
        own = pick(rows, method=method, component="von_mises", region="whole")
        ax.semilogy([r["distance_mm"] for r in own], [r["nmae"] for r in own], "o", color=f"C{i}", label=method)
        if method == SHIPPED:
            for row in own:
                ax.annotate(row["shape"], (row["distance_mm"], row["nmae"]), fontsize=5)
    ax.set(xlabel="distance of the shape from the template, mm (root mean square)", ylabel="NMAE of von Mises, %")
    ax.legend(fontsize=8)
    figure.savefig(path, dpi=110)

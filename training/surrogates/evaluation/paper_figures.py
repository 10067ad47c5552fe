"""The paper's Figs. 12 and 14 to 19, redrawn from our own scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.template import Template
from models.types import Floats, Singles
from training.surrogates.evaluation.accuracy_tables import Rows, pick
from training.surrogates.evaluation.scoring import FIRST_ORDER, MEAN, PAPER, SHIPPED
from training.surrogates.paper.dataset import COMPONENTS
from workers.geometry.surface import Surface
from workers.results.colour_scale import colour_table
from workers.results.rasteriser import rasterise
from workers.results.views import View

VIEW = View.looking_from((0.35, 0.85, -0.4))
PIXELS_PER_MM = 3.2
MEASURES = (("mae", "MAE, MPa"), ("nmae", "NMAE, %"), ("r2", "R²"))
SHOWN = (MEAN, PAPER, FIRST_ORDER, SHIPPED)
LABELS = ("s1", "s2", "s3", "von Mises")


@dataclass(frozen=True)
class Fields:
    """One shape's von Mises fields, MPa (n,), at `points` (n, 3), mm."""

    name: str
    points: Floats
    true: Singles
    predicted: dict[str, Singles]


def picture(points: Floats, template: Template, values: NDArray[Any], low: float, high: float) -> Any:
    """Return an RGB image (h, w, 3) of the surface from below and in front, coloured by nodal `values`."""
    surface = Surface(points[: template.n_surface], template.triangles)
    seen = VIEW.project(surface.vertices - surface.vertices.mean(axis=0))
    low_corner = seen.min(axis=0)
    width, height = (int(np.ceil(v)) + 8 for v in np.ptp(seen, axis=0)[:2] * PIXELS_PER_MM)
    screen = (seen - low_corner) * (PIXELS_PER_MM, -PIXELS_PER_MM, PIXELS_PER_MM) + (4, height - 4, 0)
    hits = rasterise(screen, surface.triangles, height, width)
    image = np.full((height, width, 3), 255, np.uint8)
    stress = hits.interpolate(surface.triangles, values[: template.n_surface].astype(np.float32))
    normal = hits.interpolate(surface.triangles, VIEW.project(surface.normals))
    light = 0.72 + 0.28 * np.clip(normal[:, 2] / np.maximum(np.linalg.norm(normal, axis=1), 1e-6), 0, 1)
    index = np.clip((stress - low) / (high - low) * 255, 0, 255).astype(int)
    table = colour_table() if low >= 0 else (matplotlib.colormaps["RdBu_r"](np.arange(256))[:, :3] * 255)
    image[hits.rows, hits.cols] = table[index] * light[:, None]
    return image


def gallery(path: Path, template: Template, rows: Sequence[tuple[str, list[tuple[str, Any, float, float]]]]) -> None:
    """Save a grid of pictures; each row has a label and (title, image, low, high) cells."""
    columns = max(len(cells) for _, cells in rows)
    figure = Figure(figsize=(3.1 * columns, 2.7 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for (label, cells), line in zip(rows, axes, strict=True):
        for (title, image, low, high), ax in zip(cells, line, strict=False):
            ax.imshow(image)
            ax.set_title(f"{title}\n{low:.2g} to {high:.2g} MPa", fontsize=8)
        line[0].set_ylabel(label, fontsize=8)
        for ax in line:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    figure.savefig(path, dpi=100)


def fig_12(path: Path, curves: Path) -> None:
    """Loss curves of the three autoencoders (the paper's text; its Fig. 12 shows those of the segmentation)."""
    stored = json.loads(curves.read_text())
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    for ax, (name, curve) in zip(figure.subplots(1, len(stored)), stored.items(), strict=True):
        ax.semilogy(np.array(curve), label=["training", "validation"])
        ax.set(title=f"{name} autoencoder", xlabel="epoch", ylabel="loss (eq. 1 or 3)")
        ax.legend(fontsize=8)
    figure.savefig(path, dpi=100)


def fig_14(path: Path, template: Template, shapes: Sequence[Fields]) -> None:
    """Truth and prediction, von Mises, for one shape a person."""
    rows = []
    for shape in shapes:
        high = float(np.percentile(shape.true, 99))
        cells = [("finite elements", picture(shape.points, template, shape.true, 0.0, high), 0.0, high)]
        cells += [
            (name, picture(shape.points, template, shape.predicted[name], 0.0, high), 0.0, high)
            for name in (SHIPPED, PAPER)
        ]
        rows.append((shape.name, cells))
    gallery(path, template, rows)


def fig_15(path: Path, template: Template, shapes: Sequence[Fields], raw: str) -> None:
    """The paper's chain before and after smoothing, cut open: the internal nodes of a sagittal slab."""
    figure = Figure(figsize=(10, 2.9 * len(shapes)), layout="constrained")
    axes = figure.subplots(len(shapes), 3, squeeze=False)
    for shape, line in zip(shapes, axes, strict=True):
        slab = np.abs(shape.points[:, 0]) < 1.0
        high = float(np.percentile(shape.true, 99))
        fields = (
            ("finite elements", shape.true),
            ("decoded", shape.predicted[raw]),
            ("smoothed", shape.predicted[PAPER]),
        )
        for ax, (title, values) in zip(line, fields, strict=True):
            ax.scatter(shape.points[slab, 1], shape.points[slab, 2], 2, values[slab], vmin=0, vmax=high, cmap="turbo")
            ax.set(title=f"{shape.name}: {title}", xticks=[], yticks=[], aspect="equal")
    figure.savefig(path, dpi=100)


def boxes(path: Path, rows: Rows, region: str) -> None:
    """Figs. 16 and 17: box plots of MAE, NMAE and R² of every component."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for ax, (key, label) in zip(figure.subplots(1, 3), MEASURES, strict=True):
        for i, method in enumerate(SHOWN):
            values = [[row[key] for row in pick(rows, method=method, component=c, region=region)] for c in COMPONENTS]
            at = np.arange(len(COMPONENTS)) + 0.18 * (i - 1.5)
            drawn = ax.boxplot(values, positions=at, widths=0.15, patch_artist=True, showfliers=key != "r2")
            for box in drawn["boxes"]:
                box.set_facecolor(f"C{i}")
            ax.plot([], [], "s", color=f"C{i}", label=method)
        ax.set(title=label, xticks=range(len(COMPONENTS)), xticklabels=LABELS)
        if key == "r2":
            ax.set_ylim(0.4, 1.01)
    ax.legend(fontsize=7, loc="lower right")
    figure.savefig(path, dpi=100)


def fig_18(path: Path, template: Template, shapes: Sequence[Fields]) -> None:
    """Prediction, finite elements and error of three shapes."""
    rows = []
    for shape in shapes:
        high = float(np.percentile(shape.true, 99))
        guess = shape.predicted[SHIPPED]
        rows.append(
            (
                shape.name,
                [
                    ("prediction", picture(shape.points, template, guess, 0.0, high), 0.0, high),
                    ("finite elements", picture(shape.points, template, shape.true, 0.0, high), 0.0, high),
                    (
                        "error",
                        picture(shape.points, template, guess - shape.true, -0.2 * high, 0.2 * high),
                        -0.2 * high,
                        0.2 * high,
                    ),
                ],
            )
        )
    gallery(path, template, rows)


def fig_19(path: Path, rows: Rows) -> None:
    """Error against the distance of the shape from the template."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    ax = figure.subplots()
    for i, method in enumerate(SHOWN):
        own = pick(rows, method=method, component="von_mises", region="whole")
        ax.semilogy([r["distance_mm"] for r in own], [r["nmae"] for r in own], "o", color=f"C{i}", label=method)
        if method == SHIPPED:
            for row in own:
                ax.annotate(row["shape"], (row["distance_mm"], row["nmae"]), fontsize=5)
    ax.set(xlabel="distance of the shape from the template, mm (root mean square)", ylabel="NMAE of von Mises, %")
    ax.legend(fontsize=8)
    figure.savefig(path, dpi=110)

"""docs/evaluation/bone.png: stiffness and strength of L1 and L2, published values as dots, ours as marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

SPREAD = 0.22
"""How far dots of one column are strewn to both sides."""
FIRST_MARK, APART = 0.28, 0.06
"""From the middle of a column to the first mark, and from one to the next."""
MARKS = "ovs^PDX"
Found = Mapping[str, Any]
GREY, BLUE = "#75828f", "#1f5f8b"


def draw(path: Path, published: Mapping[str, Sequence[Mapping[str, float]]], ours: Sequence[Found]) -> None:
    """Draw both panels; values in N/mm and N."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    stiffness, strength = figure.subplots(1, 2, width_ratios=(1, 1.6))
    levels = list(published)
    _column_names(stiffness, levels, "stiffness, kN/mm")
    _column_names(
        strength, [f"{level}\n{kind}" for level in levels for kind in ("linear", "nonlinear")], "strength, kN"
    )
    for number, (level, found) in enumerate(published.items()):
        _strew(stiffness, number, [one["stiffness"] for one in found])
        _strew(strength, 2 * number, [one["strength"] for one in found])
        _strew(strength, 2 * number + 1, [one["nonlinear"] for one in found])
        here = [one for one in ours if one["level"] == level]
        _mark(stiffness, number, here, "stiffness", ours)
        _mark(strength, 2 * number, here, "strength", ours)
        _mark(strength, 2 * number + 1, here, "nonlinear", ours)
    handles, names = stiffness.get_legend_handles_labels()
    more, further = strength.get_legend_handles_labels()
    unique = dict(zip([*names, *further], [*handles, *more], strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.suptitle(
        "Voxel models of VerSe'19 (grey: each vertebra, mean ± SD) and this service. Research.", fontsize=11
    )
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _column_names(axes: Axes, names: Sequence[str], quantity: str) -> None:
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylabel(quantity)
    axes.grid(axis="y", alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _strew(axes: Axes, column: float, values: Sequence[float]) -> None:
    """Draw each published value, and the mean with its standard deviation at their left."""
    high = np.array(values) / 1000.0
    places = column + np.random.default_rng(0).uniform(-SPREAD, SPREAD, len(high))
    axes.scatter(places, high, s=12, color=GREY, alpha=0.6, linewidths=0)
    axes.errorbar(column - 0.34, high.mean(), high.std(), color=GREY, marker="_", capsize=4)
    axes.set_ylim(0.0, max(axes.get_ylim()[1], 1.08 * high.max()))


def _mark(
    axes: Axes, column: float, here: Sequence[Mapping[str, Any]], name: str, ours: Sequence[Mapping[str, Any]]
) -> None:
    """Draw the values of a level: a mark for each CT and outline, hollow where nothing calibrated it."""
    kinds = list(dict.fromkeys((one["name"], one["outline"], one["calibration"]) for one in ours))
    for one in here:
        kind = (one["name"], one["outline"], one["calibration"])
        number, guessed = kinds.index(kind), one["calibration"] == "none"
        axes.scatter(
            column + FIRST_MARK + APART * number,
            one[name] / 1000.0,
            s=60,
            marker=MARKS[number % len(MARKS)],
            facecolors="none" if guessed else BLUE,
            edgecolors=BLUE,
            linewidths=1.5,
            label=f"{kind[0]}, {kind[1]}, {'UNCALIBRATED' if guessed else kind[2]}",
            zorder=3,
        )

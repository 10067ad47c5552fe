"""The paper's Tables II and III, and the comparison of all surrogates, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from training.surrogates.paper.dataset import COMPONENTS

Rows = Sequence[dict[str, Any]]

VON_MISES_MEASURES = ("r2", "skill", "mae", "nmae", "peak_error", "peak_distance")
PAPER_TABLE_2 = {
    "MAE (MPa)": "0.030 ± 0.015 | 0.020 ± 0.011 | 0.078 ± 0.041 | 0.066 ± 0.038",
    "NMAE (%)": "2.62 ± 2.05 | 1.66 ± 1.51 | 2.42 ± 1.72 | 2.67 ± 1.95",
    "R²": "0.686 ± 0.231 | 0.741 ± 0.264 | 0.810 ± 0.152 | 0.864 ± 0.138",
}
"""As published, on the paper's own nine test vertebrae: s1, s2, s3, von Mises."""


def pick(rows: Rows, **wanted: Any) -> list[dict[str, Any]]:
    """Return the rows whose fields have the values of `wanted`."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def scored_methods(rows: Rows) -> list[str]:
    """Return the methods in the order they were scored."""
    return list(dict.fromkeys(row["method"] for row in rows))


def medians(rows: Rows, method: str, region: str = "whole") -> dict[str, float]:
    """Return the medians over the shapes of one method's von Mises scores."""
    own = pick(rows, method=method, component="von_mises", region=region)
    if not own:
        return {}
    return {key: round(float(np.median([row[key] for row in own])), 5) for key in VON_MISES_MEASURES}


def comparison_table(rows: Rows, region: str = "whole") -> str:
    """Return one line a method: medians over the shapes of the von Mises scores, and the worst R²."""
    lines = [
        "| surrogate | R² | skill | MAE, MPa | NMAE, % | peak error, % | position, mm | worst R² | worst NMAE, % |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for method in scored_methods(rows):
        own = pick(rows, method=method, component="von_mises", region=region)
        if not own:
            continue
        m = medians(rows, method, region)
        worst_r2, worst_nmae = min(row["r2"] for row in own), max(row["nmae"] for row in own)
        lines.append(
            f"| {method} | {m['r2']:.4f} | {m['skill']:.3f} | {m['mae']:.4f} | {m['nmae']:.2f} | {m['peak_error']:.1f} "
            f"| {m['peak_distance']:.1f} | {worst_r2:.3f} | {worst_nmae:.2f} |"
        )
    return "\n".join(lines)


def paper_table_2(rows: Rows, method: str, region: str = "whole") -> str:
    """Return the paper's Table II for one method: mean ± standard deviation of s1, s2, s3 and von Mises."""
    measures: dict[str, tuple[str, Callable[[float], str]]] = {
        "MAE (MPa)": ("mae", "{:.4f}".format),
        "NMAE (%)": ("nmae", "{:.2f}".format),
        "R²": ("r2", "{:.4f}".format),
        "skill": ("skill", "{:.3f}".format),
    }
    lines = ["| | s1 | s2 | s3 | von Mises |", "| --- | --- | --- | --- | --- |"]
    for label, (key, text) in measures.items():
        cells = []
        for component in COMPONENTS:
            values = [row[key] for row in pick(rows, method=method, component=component, region=region)]
            cells.append(f"{text(float(np.mean(values)))} ± {text(float(np.std(values)))}")
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
        if label in PAPER_TABLE_2 and region == "whole":
            lines.append(f"| {label}, the paper's | {PAPER_TABLE_2[label]} |")
    return "\n".join(lines)


def paper_table_3(rows: Rows, method: str) -> str:
    """Return the paper's Table III for one method: peak value, position and node of every shape."""
    lines = [
        "| shape | true, MPa | predicted, MPa | deviation, mm | true node | predicted node | R² | NMAE, % |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row['shape']} | {row['peak_true']:.4f} | {row['peak_predicted']:.4f} | {row['peak_distance']:.4f} "
        f"| {row['peak_node_true']} | {row['peak_node_predicted']} | {row['r2']:.4f} | {row['nmae']:.2f} |"
        for row in pick(rows, method=method, component="von_mises", region="whole")
    ]
    return "\n".join(lines)

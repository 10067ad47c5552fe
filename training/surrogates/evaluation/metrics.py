"""Measures of a predicted field against finite elements (paper eqs. 10 to 12, Table III), and the skill."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.types import Reals


@dataclass(frozen=True)
class Score:
    """One component of one shape.

    Attributes
    ----------
    mae
        Mean absolute error over the nodes, MPa (eq. 11).
    nmae
        MAE over the largest absolute true value, percent (eq. 12).
    r2
        Coefficient of determination over the nodes (eq. 10).
    skill
        1 - SSE / SSE of the mean field: 0 is no better than predicting the average stress at every node.
    peak_true, peak_predicted
        Largest absolute value, MPa.
    peak_error
        Relative error of the peak, percent, without sign.
    peak_distance
        Distance between the true and the predicted peak node, mm.
    peak_node_true, peak_node_predicted
        Node ids.
    """

    mae: float
    nmae: float
    r2: float
    skill: float
    peak_true: float
    peak_predicted: float
    peak_error: float
    peak_distance: float
    peak_node_true: int
    peak_node_predicted: int

    def row(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def score_field(true: Reals, predicted: Reals, mean_field: Reals, points: Reals) -> Score:
    """Compare one component (n,), MPa, at the nodes `points` (n, 3), mm.

    Parameters
    ----------
    true, predicted, mean_field
        Of the finite elements, the surrogate, and the average over the training shapes.
    points
        Gives the distance of the peaks.
    """
    t, p = np.asarray(true, np.float64), np.asarray(predicted, np.float64)
    error = p - t
    sse = float(error @ error)
    here, there = int(np.abs(t).argmax()), int(np.abs(p).argmax())
    peak_true, peak_predicted = float(abs(t[here])), float(abs(p[there]))
    return Score(
        mae=float(np.abs(error).mean()),
        nmae=float(100.0 * np.abs(error).mean() / peak_true),
        r2=1.0 - sse / float(np.square(t - t.mean()).sum()),
        skill=1.0 - sse / float(np.square(mean_field - t).sum()),
        peak_true=peak_true,
        peak_predicted=peak_predicted,
        peak_error=100.0 * abs(peak_predicted / peak_true - 1.0),
        peak_distance=float(np.linalg.norm(points[here] - points[there])),
        peak_node_true=here,
        peak_node_predicted=there,
    )

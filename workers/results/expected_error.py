"""The report's expected error: what the outline and the surrogate are expected to add, and both together."""

from __future__ import annotations

from typing import Literal

import numpy as np

from app.contract.report import ExpectedError, Prediction
from app.contract.segmentation import Outline

DECIMALS = 2
"""Of percents."""


def total_error(
    outline: Outline | None, prediction: Prediction | None, fidelity: Literal["surrogate", "fe"]
) -> ExpectedError | None:
    """Return the expected mean absolute error of the von Mises stress, percent of its peak; None where none is known.

    The two causes are independent, so their squares add up.

    Parameters
    ----------
    outline
        Quality of the outline; None where a mask was sent, which counts as exact.
    prediction
        Quality of the prediction, where one was made.
    fidelity
        What the field is. A solution has no error of the surrogate.
    """
    drawn = None if outline is None else outline.expected_nmae_percent
    predicted = prediction.expected_nmae_percent if prediction and fidelity == "surrogate" else None
    parts = [part for part in (drawn, predicted) if part is not None]
    if not parts:
        return None
    return ExpectedError(
        outline_percent=drawn,
        surrogate_percent=None if predicted is None else round(predicted, DECIMALS),
        total_percent=round(float(np.linalg.norm(parts)), DECIMALS),
    )

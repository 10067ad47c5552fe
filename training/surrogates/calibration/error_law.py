"""Calibration of the expected error: from what is known of a prediction without a solve to the error that solves show.

The law is a power law of the unbalanced forces and of the shape coefficients
(`workers.surrogate.expected_error.Calibration`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from models.types import Floats
from training.surrogates.simulation.samples import Sample
from workers.engine import Engine
from workers.fem.field import StressField
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.fem.stress import von_mises
from workers.surrogate.expected_error import Calibration, shape_deviation

LEAST_LIMIT_NMAE = 0.8
"""Percent of the peak. Near-normal lumbar vertebrae lie at 0.3 to 0.6 with the tangent surrogate, compressed ones at
0.9 to 1.3, and their peaks are predicted 20 to 45 % low."""
LIMIT_QUANTILE = 0.8
"""The worst fifth of the simulated shapes is out of distribution."""
NO_RESIDUAL = 1.0
"""Stands for the residual where the surrogate gives no tensor: a constant, whose power the law leaves at zero."""

Predict = Callable[[Sample], StressField]


@dataclass(frozen=True)
class MeasuredErrors:
    """What was known of each of k predictions without a solve, and its error: arrays (k,).

    Attributes
    ----------
    residual
        Unbalanced forces over the load; `NO_RESIDUAL` where the surrogate gives no tensor.
    deviation
        Root mean square of the shape coefficients.
    nmae
        Mean absolute error of the von Mises stress over its peak, percent (paper eq. 12).
    """

    residual: Floats
    deviation: Floats
    nmae: Floats


def measure_errors(engine: Engine, samples: Iterable[Sample], predict: Predict) -> MeasuredErrors:
    """Predict every sample and compare with its solution.

    Parameters
    ----------
    engine
        Gives template, solver plan and shape coefficients.
    samples
        Simulated shapes.
    predict
        Predicts one of them; a trained surrogate must not have seen the sample's person.
    """
    rows = []
    for sample in tqdm(samples, desc="calibrating"):
        points = sample.points.astype(np.float64)
        predicted = predict(sample)
        solved = von_mises(sample.tensor.astype(np.float64))
        nmae = 100.0 * np.abs(predicted.von_mises - solved).mean() / solved.max()
        residual = engine.residual(points, predicted, REFERENCE_LOAD_NEWTON)
        deviation = shape_deviation(engine.coefficients(points))
        rows.append((NO_RESIDUAL if residual is None else residual, deviation, float(nmae)))
    return MeasuredErrors(*np.array(rows).T)


def fit_calibration(errors: MeasuredErrors) -> Calibration:
    """Fit the logarithm of the error by least squares.

    The limit is the `LIMIT_QUANTILE` of the errors, but at least `LEAST_LIMIT_NMAE`.
    """
    logs = np.log([errors.residual, errors.deviation])
    varies = np.ptp(logs, axis=1) > 0.0
    design = np.column_stack([np.ones(len(errors.nmae)), *logs[varies]])
    solution = np.linalg.lstsq(design, np.log(errors.nmae), rcond=None)[0]
    powers = np.zeros(2)
    powers[varies] = solution[1:]
    return Calibration(
        scale=float(np.exp(solution[0])),
        residual_power=float(powers[0]),
        deviation_power=float(powers[1]),
        least_residual=float(errors.residual.min()),
        least_deviation=float(errors.deviation.min()),
        limit=float(max(LEAST_LIMIT_NMAE, np.quantile(errors.nmae, LIMIT_QUANTILE))),
    )


def log_ratio_sd(errors: MeasuredErrors, calibration: Calibration) -> float:
    """Return the standard deviation of log(error / expected error): 0.2 means within about 20 %."""
    expected = [calibration.expected_nmae(r, d) for r, d in zip(errors.residual, errors.deviation, strict=True)]
    return float(np.std(np.log(errors.nmae / np.array(expected))))

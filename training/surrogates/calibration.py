"""Calibrate the error estimate: from what is known without a solve to the error that simulations show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from models.types import Floats
from training.surrogates.simulation import Sample
from workers.engine import Engine
from workers.fem.field import StressField
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.fem.stress import von_mises
from workers.surrogate.expected_error import Calibration, shape_deviation

GOOD_NMAE = 0.8
"""Percent of the peak. Near-normal lumbar vertebrae lie at 0.3 to 0.6 with the tangent surrogate, compressed ones at
0.9 to 1.3, and their peaks are predicted 20 to 45 % low."""


@dataclass(frozen=True)
class Evidence:
    """What was known of each prediction, and its error: arrays (k,)."""

    residual: Floats
    deviation: Floats
    nmae: Floats


def gather(engine: Engine, samples: Iterable[Sample], predict: Callable[[Sample], StressField]) -> Evidence:
    """Predict every sample and compare; the residual is 1 where the surrogate gives no tensor.

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
        truth = von_mises(sample.tensor.astype(np.float64))
        nmae = 100.0 * np.abs(predicted.von_mises - truth).mean() / truth.max()
        residual = engine.residual(points, predicted, REFERENCE_LOAD_NEWTON)
        rows.append((1.0 if residual is None else residual, shape_deviation(engine.coefficients(points)), float(nmae)))
    return Evidence(*np.array(rows).T)


def calibrate(evidence: Evidence) -> Calibration:
    """Fit the logarithm of the error, by least squares; the limit is the worst fifth, but at least `GOOD_NMAE`."""
    logs = np.log([evidence.residual, evidence.deviation])
    varies = np.ptp(logs, axis=1) > 0.0
    design = np.column_stack([np.ones(len(evidence.nmae)), *logs[varies]])
    found = np.linalg.lstsq(design, np.log(evidence.nmae), rcond=None)[0]
    powers = np.zeros(2)
    powers[varies] = found[1:]
    return Calibration(
        scale=float(np.exp(found[0])),
        residual_power=float(powers[0]),
        deviation_power=float(powers[1]),
        least_residual=float(evidence.residual.min()),
        least_deviation=float(evidence.deviation.min()),
        limit=float(max(GOOD_NMAE, np.quantile(evidence.nmae, 0.8))),
    )


def spread(evidence: Evidence, calibration: Calibration) -> float:
    """Return the standard deviation of log(error / expected error): 0.2 means within about 20 %."""
    expected = [calibration.expected_nmae(r, d) for r, d in zip(evidence.residual, evidence.deviation, strict=True)]
    return float(np.std(np.log(evidence.nmae / np.array(expected))))

"""The error that a prediction is expected to have: from its equilibrium residual and the shape, or from a bound."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from app.contract.params import Surrogate
from app.contract.report import Prediction
from models.template import Template
from models.types import Floats, Reals
from workers.surrogate.normalisation import normalising_pose
from workers.surrogate.refined import Refinement

RESIDUAL_OF_NO_TENSOR = 1.0
"""Residual where no tensor was predicted: any power of it is 1, so the shape alone counts."""
BOUND_STEPS = 1000
"""A bound is rounded up, to a thousandth of a percent."""


@dataclass(frozen=True)
class Calibration:
    """Expected NMAE, percent: scale * residual^residual_power * deviation^deviation_power.

    `training.surrogates` fits it to simulated shapes; the bundle's manifest holds one for each surrogate.

    Attributes
    ----------
    scale, residual_power, deviation_power
        Of the power law.
    least_residual, least_deviation
        Least values that the law was fitted to. Smaller ones count as these.
    limit
        Expected NMAE, percent, above which a shape is called out of distribution.
    """

    scale: float
    residual_power: float
    deviation_power: float
    least_residual: float
    least_deviation: float
    limit: float

    def expected_nmae(self, residual: float, deviation: float) -> float:
        """Return the expected mean absolute error of the von Mises stress, percent of its peak."""
        r, d = max(residual, self.least_residual), max(deviation, self.least_deviation)
        return float(self.scale * r**self.residual_power * d**self.deviation_power)


def shape_distance(points: Floats, template: Template) -> float:
    """Return the root-mean-square distance, mm in the template's size, of a mesh's (n, 3) surface from the template's.

    The paper's Fig. 19 uses the Euclidean distance in the space of shapes; this is its value per node.
    """
    n = template.n_surface
    local = normalising_pose(points, template).apply_inverse(points[:n])
    return float(np.sqrt(np.square(local - template.nodes[:n]).sum(axis=1).mean()))


def shape_deviation(coefficients: Reals) -> float:
    """Return the root mean square of shape coefficients (m, 3), in standard deviations of the shape model."""
    return float(np.sqrt(np.square(coefficients).mean()))


def estimate_error(
    points: Floats,
    template: Template,
    surrogate: Surrogate,
    calibration: Calibration,
    coefficients: Reals,
    residual: float | None,
) -> Prediction:
    """Return what the report says about a prediction: distance of the shape, residual, expected error.

    Parameters
    ----------
    points
        (n, 3) float64, mm, the subject mesh.
    template
        The template.
    surrogate
        Which surrogate predicts.
    calibration
        From the bundle's manifest, of this surrogate.
    coefficients
        (m, 3) of the shape model.
    residual
        `workers.fem.equilibrium.equilibrium_residual` of the prediction; None where no tensor was predicted.
    """
    deviation = shape_deviation(coefficients)
    expected = calibration.expected_nmae(RESIDUAL_OF_NO_TENSOR if residual is None else residual, deviation)
    return Prediction(
        surrogate=surrogate,
        shape_distance_mm=round(shape_distance(points, template), 3),
        shape_deviation=round(deviation, 3),
        equilibrium_residual=None if residual is None else round(residual, 4),
        expected_nmae_percent=round(expected, 3),
        out_of_distribution=expected > calibration.limit,
    )


def bounded_error(points: Floats, template: Template, refinement: Refinement) -> Prediction:
    """Return what the report says about a refined prediction: the bound of its error in place of an expectation.

    Parameters
    ----------
    points
        (n, 3) float64, mm, the subject mesh.
    template
        The template.
    refinement
        The refined prediction.
    """
    bound = math.ceil(BOUND_STEPS * refinement.bound_percent) / BOUND_STEPS
    return Prediction(
        surrogate="refined",
        shape_distance_mm=round(shape_distance(points, template), 3),
        shape_deviation=round(shape_deviation(refinement.coefficients), 3),
        equilibrium_residual=None,
        expected_nmae_percent=bound,
        out_of_distribution=False,
        error_bound_percent=bound,
        cycles=refinement.cycles,
        unrefined_change_percent=round(refinement.change_percent, 3),
    )

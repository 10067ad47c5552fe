"""The tangent surrogate without its reduction: one exact derivative a shape, from any expansion point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats
from training.shapes.registration import RegisteredVertebra
from training.surrogates.tangent.shape_derivative import SolvedMesh
from workers.engine import Engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.geometry.similarity import Similarity
from workers.surrogate.tangent import stress_ratio

STEP = 0.05
"""Step of the central difference of the coarse problem, in units of the displacement."""
TOLERANCE = 1e-8
"""Relative residual of the coarse problem: far below a difference's own error, unlike that of a prediction."""


@dataclass(frozen=True)
class ExactPredictions:
    """Predicted nodal tensors (n, 6), MPa, template frame; x0 is the expansion point.

    Attributes
    ----------
    first_order
        s(x0) + ds/dx (x - x0).
    offset
        The coarse problem and its offset at x0 alone, no derivative.
    corrected
        The coarse problem, corrected to first order: the shipped surrogate before its reduction.
    """

    first_order: Floats
    offset: Floats
    corrected: Floats


class ExactTangent:
    """Predicts by exact derivatives at one expansion point.

    Parameters
    ----------
    engine
        Gives template, solver plan and coarse problem.
    points
        (n, 3) float64, mm, template frame: the expansion point.
    """

    def __init__(self, engine: Engine, points: Floats) -> None:
        self.engine, self.points = engine, points
        self.solved = SolvedMesh(points, engine.template, engine.plan)
        self.coarse = self._coarse_stress(points)
        self.ratio = stress_ratio(self.solved.tensor, self.coarse)[:, None]

    def _coarse_stress(self, points: Floats) -> Floats:
        """Return the coarse problem's stress (n, 6), MPa, at the fine nodes of a mesh (n, 3), mm."""
        template, problem = self.engine.template, self.engine.tangent.coarse
        force = endplate_traction(points, template.superior, template.inferior, REFERENCE_LOAD_NEWTON)
        loaded = template.loaded_nodes
        nodal = problem.stress(points, loaded, force[loaded], tolerance=TOLERANCE)
        return np.einsum("nc,ncd->nd", problem.fine_weights, nodal[problem.fine_corners])

    def predict(self, points: Floats) -> ExactPredictions:
        """Predict a mesh (n, 3), mm, in the template's frame and size."""
        n = self.engine.template.n_surface
        pose = Similarity.between(self.points[:n], points[:n])
        d = pose.apply_inverse(points) - self.points
        fine = self.solved.derivative(d)[1]
        forward, backward = (self._coarse_stress(self.points + step * d) for step in (STEP, -STEP))
        coarse = (forward - backward) / (2.0 * STEP)
        change = self.ratio * (self._coarse_stress(self.points + d) - self.coarse)
        size = pose.scale**-2
        return ExactPredictions(
            size * (self.solved.tensor + fine),
            size * (self.solved.tensor + change),
            size * (self.solved.tensor + change + fine - self.ratio * coarse),
        )


def mean_shape_without(engine: Engine, shapes: list[RegisteredVertebra], person: str) -> Floats:
    """Return the mean shape (n, 3), mm, of everyone but `person`, each person counting once; repaired."""
    people = sorted({shape.person for shape in shapes} - {person})
    means = [np.mean([s.coefficients for s in shapes if s.person == p], axis=0) for p in people]
    template = engine.template
    points = template.nodes + engine.morpher.basis @ np.mean(means, axis=0).astype(np.float32)
    pose = Similarity.between(points[: template.n_surface], template.nodes[: template.n_surface])
    points = np.ascontiguousarray(pose.apply(points))
    engine.morpher.repair(points)
    return points

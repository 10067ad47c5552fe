"""The tangent family without its reduction: one exact derivative a shape, at any anchor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats
from training.shapes.registration import RegisteredVertebra
from training.surrogates.tangent.shape_derivative import Anchor
from workers.engine import Engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.geometry.similarity import Similarity
from workers.surrogate.tangent import stress_ratio

STEP = 0.05
"""Step of the central difference of the coarse problem, in units of the displacement."""
TOLERANCE = 1e-8


@dataclass(frozen=True)
class Tangents:
    """Predicted nodal tensors (n, 6), MPa, template frame.

    Attributes
    ----------
    first_order
        s(x0) + ds/dx (x - x0).
    offset
        The coarse problem and its offset at the anchor alone, no derivative.
    corrected
        The coarse problem, corrected to first order: the shipped surrogate before its reduction.
    """

    first_order: Floats
    offset: Floats
    corrected: Floats


class ExactTangent:
    """Differentiates at one anchor mesh.

    Parameters
    ----------
    engine
        Gives template, solver plan and coarse problem.
    points
        (n, 3) float64, mm, template frame: the anchor.
    """

    def __init__(self, engine: Engine, points: Floats) -> None:
        self.engine, self.points = engine, points
        self.anchor = Anchor(points, engine.template, engine.plan)
        self.at_anchor = self._coarse(points)
        self.ratio = stress_ratio(self.anchor.tensor, self.at_anchor)[:, None]

    def _coarse(self, points: Floats) -> Floats:
        template, problem = self.engine.template, self.engine.tangent.coarse
        force = endplate_traction(points, template.superior, template.inferior, REFERENCE_LOAD_NEWTON)
        loaded = template.loaded_nodes
        nodal = problem.stress(points, loaded, force[loaded], tolerance=TOLERANCE)
        return np.einsum("nc,ncd->nd", problem.fine_weights, nodal[problem.fine_corners])

    def predict(self, points: Floats) -> Tangents:
        """Predict a mesh (n, 3), mm, in the template's frame and size."""
        n = self.engine.template.n_surface
        pose = Similarity.between(self.points[:n], points[:n])
        d = pose.apply_inverse(points) - self.points
        fine = self.anchor.derivative(d)[1]
        coarse = (self._coarse(self.points + STEP * d) - self._coarse(self.points - STEP * d)) / (2.0 * STEP)
        change = self.ratio * (self._coarse(self.points + d) - self.at_anchor)
        size = pose.scale**-2
        return Tangents(
            size * (self.anchor.tensor + fine),
            size * (self.anchor.tensor + change),
            size * (self.anchor.tensor + change + fine - self.ratio * coarse),
        )


def anchor_without(engine: Engine, shapes: list[RegisteredVertebra], person: str) -> Floats:
    """Return the mean shape (n, 3), mm, of everyone but `person`, each person counting once; repaired."""
    people = sorted({shape.person for shape in shapes} - {person})
    means = [np.mean([s.coefficients for s in shapes if s.person == p], axis=0) for p in people]
    template = engine.template
    points = template.nodes + engine.morpher.basis @ np.mean(means, axis=0).astype(np.float32)
    pose = Similarity.between(points[: template.n_surface], template.nodes[: template.n_surface])
    points = np.ascontiguousarray(pose.apply(points))
    engine.morpher.repair(points)
    return points

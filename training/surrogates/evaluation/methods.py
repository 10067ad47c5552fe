"""Every method that is scored, and its prediction of one shape."""

from __future__ import annotations

import numpy as np

from models.types import Floats, Singles
from training.shapes.registration import RegisteredVertebra
from training.surrogates.evaluation.exact_tangents import ExactTangent, mean_shape_without
from training.surrogates.evaluation.mean_field import FieldSum, mean_field
from training.surrogates.paper.dataset import stress_components
from training.surrogates.paper.held_out import Fold
from training.surrogates.simulation.samples import Sample
from workers.engine import Engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON

MEAN, PAPER, RAW = "mean field", "paper: forest", "paper: forest, unsmoothed"
SHIPPED, REFINED = "tangent (shipped)", "refined (shipped)"
FIRST_ORDER, OFFSET = "first order at the template", "coarse problem and offset"
EXACT, HELD_OUT = "tangent, not reduced", "tangent, not reduced, anchor without the person"
"""The anchor is the shape at which the tangent surrogate is differentiated: usually the template."""


class Methods:
    """Predicts one shape by every method.

    Parameters
    ----------
    engine
        With the shipped bundle.
    folds
        Surrogates that each held some people out; the one that held out a shape's person is used on it.
    field_sums
        From `training.surrogates.evaluation.mean_field.sum_fields`.
    shapes
        Registered vertebrae, for the mean shapes that leave a person out.
    """

    def __init__(
        self, engine: Engine, folds: list[Fold], field_sums: dict[str, FieldSum], shapes: list[RegisteredVertebra]
    ) -> None:
        self.engine, self.folds, self.field_sums, self.shapes = engine, folds, field_sums, shapes
        self.at_template = ExactTangent(engine, engine.template.nodes)
        self._last_without: tuple[str, ExactTangent] | None = None

    def predict(self, sample: Sample, unseen: bool) -> dict[str, Singles]:
        """Return s1, s2, s3 and von Mises (n, 4), MPa, by method.

        Parameters
        ----------
        sample
            The shape.
        unseen
            Predict as for a person whom no method has seen; otherwise as for a sibling of the training shapes.
        """
        points = sample.points.astype(np.float64)
        person = sample.person if unseen else ""
        predictions = {MEAN: mean_field(self.field_sums, person)}
        predictions |= self._by_paper(points, person)
        predictions |= self._by_tangent(points, person)
        return predictions

    def _by_paper(self, points: Floats, person: str) -> dict[str, Singles]:
        """Return what the paper's surrogate and its competitors predict, trained without `person` unless empty."""
        fold = next(f for f in self.folds if (person in f.held_out if person else not f.held_out))
        surrogate = fold.surrogate
        latent = surrogate.encode(points)
        surface, internal = surrogate.to_surface.predict(latent), surrogate.to_internal.predict(latent)
        predictions = {
            PAPER: surrogate.decode(points, surface, internal),
            RAW: surrogate.decode(points, surface, internal, smoothed=False),
        }
        for name, mappings in fold.competitors.items():
            surface, internal = (np.asarray(m.predict(latent[None])[0], np.float32) for m in mappings)
            predictions[f"paper's networks: {name}"] = surrogate.decode(points, surface, internal)
        return predictions

    def _by_tangent(self, points: Floats, person: str) -> dict[str, Singles]:
        """Return what the tangent surrogate predicts, as shipped, refined and in parts."""
        exact = self.at_template.predict(points)
        predictions = {
            FIRST_ORDER: stress_components(exact.first_order),
            OFFSET: stress_components(exact.offset),
            EXACT: stress_components(exact.corrected),
        }
        if person:
            predictions[HELD_OUT] = stress_components(self._without(person).predict(points).corrected)
        fields = {
            SHIPPED: self.engine.predict(points, REFERENCE_LOAD_NEWTON, "tangent"),
            REFINED: self.engine.predict(points, REFERENCE_LOAD_NEWTON, "refined"),
        }
        for name, field in fields.items():
            predictions[name] = np.column_stack([field.principal, field.von_mises]).astype(np.float32)
        return predictions

    def _without(self, person: str) -> ExactTangent:
        """Return the tangent at the mean shape of everyone but `person`; the last one is kept."""
        if self._last_without is None or self._last_without[0] != person:
            points = mean_shape_without(self.engine, self.shapes, person)
            self._last_without = (person, ExactTangent(self.engine, points))
        return self._last_without[1]

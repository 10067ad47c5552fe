"""Score every surrogate on every shape; kept on disk shape by shape, so that a killed run goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from models.bundle import Bundle
from models.types import Singles
from training.shapes.registration import RegisteredVertebra
from training.surrogates.evaluation.exact_tangents import ExactTangent, anchor_without
from training.surrogates.evaluation.metrics import score
from training.surrogates.paper.dataset import COMPONENTS, components
from training.surrogates.paper.mapping import MAPPINGS, BayesForest, Mapping
from training.surrogates.simulation import Sample
from workers.engine import Engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.surrogate.expected_error import shape_distance
from workers.surrogate.paper import PaperSurrogate

MEAN, PAPER, RAW = "mean field", "paper: forest", "paper: forest, unsmoothed"
SHIPPED = "tangent (shipped)"
FIRST_ORDER, OFFSET = "first order at the template", "coarse problem and offset"
EXACT, HELD_OUT = "tangent, not reduced", "tangent, not reduced, anchor without the person"


@dataclass
class Fold:
    """The paper's chain trained without some people, and the mappings that compete on its latents."""

    held_out: frozenset[str]
    chain: PaperSurrogate
    mappings: dict[str, tuple[Mapping, Mapping]]


def load_fold(work: Path, engine: Engine, competitors: bool) -> Fold:
    """Load the chain in `work` and fit the competing mappings on its training latents."""
    bundle = Bundle(work / "bundle")
    mappings: dict[str, tuple[Mapping, Mapping]] = {}
    if competitors:
        with np.load(work / "latents.npz") as stored:
            x, people = stored["shape"], stored["people"]
            targets = stored["surface"], stored["internal"]
        for name, make in MAPPINGS.items():
            if make is BayesForest:
                continue  # the chain's own
            mappings[name] = (make(), make())
            for mapping, y in zip(mappings[name], targets, strict=True):
                mapping.fit(x, y, people)
    return Fold(frozenset(bundle.manifest["held_out"]), PaperSurrogate(bundle, engine.template), mappings)


def mean_fields(samples: Iterator[Sample]) -> dict[str, tuple[Singles, int]]:
    """Return, by person, the sum (n, 4) of the samples' stress, MPa, and their number."""
    out: dict[str, tuple[Singles, int]] = {}
    for sample in tqdm(samples, desc="mean field"):
        total, count = out.get(sample.person, (np.zeros(1, np.float32), 0))
        out[sample.person] = (total + components(sample.tensor), count + 1)
    return out


def mean_without(fields: dict[str, tuple[Singles, int]], person: str) -> Singles:
    """Return the mean field (n, 4), MPa, of the samples of everyone but `person`."""
    kept = [value for key, value in fields.items() if key != person]
    total: Singles = np.sum([field for field, _ in kept], axis=0) / np.float32(sum(count for _, count in kept))
    return total


class Scorer:
    """Predicts one shape with every method.

    Parameters
    ----------
    engine
        With the shipped bundle.
    folds
        Chains that each held some people out; the one that held out a shape's person is used on it.
    fields
        From `mean_fields`.
    shapes
        RegisteredVertebra vertebrae, for the anchors that leave a person out.
    """

    def __init__(
        self,
        engine: Engine,
        folds: list[Fold],
        fields: dict[str, tuple[Singles, int]],
        shapes: list[RegisteredVertebra],
    ) -> None:
        self.engine, self.folds, self.fields, self.shapes = engine, folds, fields, shapes
        self.at_template = ExactTangent(engine, engine.template.nodes)
        self._without: tuple[str, ExactTangent] | None = None

    def predictions(self, sample: Sample, unseen: bool) -> dict[str, Singles]:
        """Return s1, s2, s3 and von Mises (n, 4), MPa, by method; for an unseen person or a sibling."""
        points = sample.points.astype(np.float64)
        held = sample.person if unseen else ""
        out = {MEAN: mean_without(self.fields, held)}
        fold = next(f for f in self.folds if (held in f.held_out if held else not f.held_out))
        latent = fold.chain.encode(points)
        surface, internal = fold.chain.to_surface.predict(latent), fold.chain.to_internal.predict(latent)
        out[PAPER] = fold.chain.decode(points, surface, internal)
        out[RAW] = fold.chain.decode(points, surface, internal, smoothed=False)
        for name, (to_surface, to_internal) in fold.mappings.items():
            s, i = (np.asarray(m.predict(latent[None])[0], np.float32) for m in (to_surface, to_internal))
            out[f"paper's networks: {name}"] = fold.chain.decode(points, s, i)
        exact = self.at_template.predict(points)
        out[FIRST_ORDER], out[OFFSET] = components(exact.first_order), components(exact.offset)
        out[EXACT] = components(exact.corrected)
        if unseen:
            out[HELD_OUT] = components(self._anchor(sample.person).predict(points).corrected)
        field = self.engine.tangent.predict(points, REFERENCE_LOAD_NEWTON)
        out[SHIPPED] = np.column_stack([field.principal, field.von_mises]).astype(np.float32)
        return out

    def _anchor(self, person: str) -> ExactTangent:
        if self._without is None or self._without[0] != person:
            self._without = (person, ExactTangent(self.engine, anchor_without(self.engine, self.shapes, person)))
        return self._without[1]

    def rows(self, sample: Sample, unseen: bool) -> list[dict[str, Any]]:
        """Return one row a method, component and region."""
        true, template = components(sample.tensor), self.engine.template
        support = np.union1d(template.loaded_nodes, template.fixed_nodes)
        everywhere = np.arange(len(true))
        predictions = self.predictions(sample, unseen)
        distance = shape_distance(sample.points.astype(np.float64), template)
        out = []
        for method, predicted in predictions.items():
            for c, component in enumerate(COMPONENTS):
                for region, nodes in (("whole", everywhere), ("loaded and clamped", support)):
                    found = score(
                        true[nodes, c], predicted[nodes, c], predictions[MEAN][nodes, c], sample.points[nodes]
                    )
                    out.append(
                        {
                            "shape": sample.name,
                            "person": sample.person,
                            "kind": sample.kind,
                            "unseen": unseen,
                            "distance_mm": distance,
                            "method": method,
                            "component": component,
                            "region": region,
                            **found.row(),
                        }
                    )
        return out


def score_all(scorer: Scorer, samples: list[Sample], unseen: bool, folder: Path) -> list[dict[str, Any]]:
    """Score `samples`, one file a shape in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    out: list[dict[str, Any]] = []
    ordered = sorted(samples, key=lambda s: (s.person, s.name))
    for sample in tqdm(ordered, desc="scoring unseen people" if unseen else "scoring siblings"):
        path = folder / f"{sample.name}.json"
        if not path.exists():
            aside = path.with_suffix(".part")
            aside.write_text(json.dumps(scorer.rows(sample, unseen)))
            aside.rename(path)
        out += json.loads(path.read_text())
    return out

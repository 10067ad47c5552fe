"""Score every method on every shape; kept on disk shape by shape, so that a killed run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from training.artifacts.files import atomic_path
from training.surrogates.evaluation.methods import MEAN, Methods
from training.surrogates.evaluation.metrics import score_field
from training.surrogates.paper.dataset import COMPONENTS, stress_components
from training.surrogates.simulation.samples import Sample
from workers.surrogate.expected_error import shape_distance


def score_all(methods: Methods, samples: list[Sample], unseen: bool, folder: Path) -> list[dict[str, Any]]:
    """Score `samples`, one file a shape in `folder`; return one row a shape, method, component and region.

    Parameters
    ----------
    methods
        Predict each shape.
    samples
        The shapes with their solutions.
    unseen
        Whether the shapes are of people whom no method may have seen.
    folder
        Keeps the rows of each shape.
    """
    folder.mkdir(parents=True, exist_ok=True)
    out: list[dict[str, Any]] = []
    by_person = sorted(samples, key=lambda s: (s.person, s.name))  # so that a mean shape without one serves them all
    for sample in tqdm(by_person, desc="scoring unseen people" if unseen else "scoring siblings"):
        path = folder / f"{sample.name}.json"
        if not path.exists():
            rows = json.dumps(score_sample(methods, sample, unseen))
            with atomic_path(path) as part:
                part.write_text(rows)
        out += json.loads(path.read_text())
    return out


def score_sample(methods: Methods, sample: Sample, unseen: bool) -> list[dict[str, Any]]:
    """Return one row a method, component and region."""
    true, template = stress_components(sample.tensor), methods.engine.template
    regions: dict[str, NDArray[np.integer[Any]]] = {
        "whole": np.arange(len(true)),
        "loaded and clamped": np.union1d(template.loaded_nodes, template.fixed_nodes),
    }
    predictions = methods.predict(sample, unseen)
    shape = {
        "shape": sample.name,
        "person": sample.person,
        "kind": sample.kind,
        "unseen": unseen,
        "distance_mm": shape_distance(sample.points.astype(np.float64), template),
    }
    out = []
    for method, predicted in predictions.items():
        for c, component in enumerate(COMPONENTS):
            for region, nodes in regions.items():
                mean = predictions[MEAN][nodes, c]
                score = score_field(true[nodes, c], predicted[nodes, c], mean, sample.points[nodes])
                out.append(shape | {"method": method, "component": component, "region": region, **score.row()})
    return out

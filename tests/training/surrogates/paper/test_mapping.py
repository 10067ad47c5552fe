"""The mappings behind their one interface."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (make training)")
pytest.importorskip("optuna", reason="optuna is not installed (make training)")

from training.surrogates.paper.mapping import MAPPINGS, BayesForest, RidgeMapping

PEOPLE = np.repeat([f"p{i}" for i in range(6)], 25)


@pytest.fixture(scope="module")
def pairs():
    random = np.random.default_rng(0)
    x = random.standard_normal((150, 6))
    y = np.column_stack([x @ random.standard_normal(6), 0.3 * x[:, 0] ** 2, x[:, 1] - x[:, 2]])
    return x, y + 0.01 * random.standard_normal(y.shape)


@pytest.mark.parametrize("name", MAPPINGS)
def test_each_mapping_beats_the_mean(name, pairs):
    x, y = pairs
    mapping = MAPPINGS[name]() if "forest" not in name else MAPPINGS[name](3, 20)  # type: ignore[call-arg]
    mapping.fit(x[:100], y[:100], PEOPLE[:100])
    error = np.square(mapping.predict(x[100:]) - y[100:]).sum()
    assert error < 0.8 * np.square(y[100:] - y[:100].mean(axis=0)).sum()


def test_ridge_extrapolates_where_the_forest_cannot(pairs):
    x, y = pairs
    ridge, forest = RidgeMapping(), BayesForest(2, 20)
    for mapping in (ridge, forest):
        mapping.fit(x, y[:, [0, 0]], PEOPLE)
    far = 4.0 * x[:1]
    assert np.abs(ridge.predict(far) - 4.0 * y[:1, :1]).max() < 0.5
    assert np.abs(forest.predict(x * 9.0)).max() <= np.abs(y[:, 0]).max() + 1e-9

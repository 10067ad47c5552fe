"""The exported forest, as arrays, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (make training)")
pytest.importorskip("optuna", reason="optuna is not installed (make training)")

from training.surrogates.paper.export_artifacts import export_forest
from training.surrogates.paper.mapping import BayesForest


def test_the_exported_forest_is_the_forest():
    random = np.random.default_rng(0)
    x = random.standard_normal((150, 6))
    y = np.column_stack([x @ random.standard_normal(6), x[:, 1] - x[:, 2]])
    mapping = BayesForest(2, 15)
    mapping.fit(x, y, np.repeat([f"p{i}" for i in range(6)], 25))
    forest = export_forest(mapping.model, x, y)
    others = np.random.default_rng(1).standard_normal((20, 6))
    ours = np.stack([forest.predict(row) for row in others])
    np.testing.assert_allclose(ours, mapping.predict(others), atol=1e-5)

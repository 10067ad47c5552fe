"""A forest of two trees, by hand."""

from __future__ import annotations

import numpy as np

from models.forest import Forest

TWO_TREES = {
    "roots": np.array([0, 3], np.int32),
    "feature": np.array([1, -1, -1, -1], np.int16),
    "threshold": np.array([0.5, 0, 0, 0], np.float32),
    "left": np.array([1, 0, 2, 3], np.int32),  # at the three leaves: start and end of their members
    "right": np.array([2, 2, 3, 4], np.int32),
    "members": np.array([0, 1, 2, 1], np.int32),
    "weights": np.array([0.25, 0.75, 1.0, 1.0], np.float32),
    "targets": np.array([[8.0, 0.0], [4.0, 4.0], [0.0, 2.0]], np.float16),
}


def test_a_forest_averages_the_targets_of_its_leaves():
    """The first tree asks for feature 1, the second has one leaf; a value on the threshold goes left."""
    forest = Forest.from_arrays({f"a_{name}": values for name, values in TWO_TREES.items()}, "a_")
    np.testing.assert_allclose(forest.predict(np.array([9.0, 0.5])), [(5.0 + 4.0) / 2, (3.0 + 4.0) / 2])
    np.testing.assert_allclose(forest.predict(np.array([0.0, 0.6])), [(0.0 + 4.0) / 2, (2.0 + 4.0) / 2])
    assert forest.predict(np.array([0.0, 0.6])).dtype == np.float32

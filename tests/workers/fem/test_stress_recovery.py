"""Averages over the elements around a node."""

from __future__ import annotations

import numpy as np

from workers.fem.sparsity import SparsityPattern
from workers.fem.stress_recovery import average_at_nodes


def test_nodal_average_is_the_plain_weighted_mean():
    tets = np.array([[0, 1, 2, 3], [1, 3, 2, 4], [1, 2, 3, 5]], np.int32)
    values = np.array([[1.0, 10.0], [2.0, 40.0], [6.0, -20.0]])
    incidence = SparsityPattern.of(tets, 6).incidence
    plain = average_at_nodes(values, np.ones(3), incidence)
    np.testing.assert_allclose(plain, [[1, 10], [3, 10], [3, 10], [3, 10], [2, 40], [6, -20]], rtol=1e-15)
    weighted = average_at_nodes(values, np.array([1.0, 2.0, 1.0]), incidence)
    np.testing.assert_allclose(weighted[1], [11 / 4, 70 / 4], rtol=1e-15)

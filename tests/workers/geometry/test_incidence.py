"""The tetrahedra around each node."""

from __future__ import annotations

import numpy as np

from tests.workers.geometry.meshes import grid
from workers.geometry.incidence import Incidence


def test_incidence_lists_every_element_of_a_node_once():
    points, tets = grid(3)
    incidence = Incidence.of(tets, len(points))
    for node in range(len(points)):
        around = incidence.tets[incidence.start[node] : incidence.start[node + 1]]
        np.testing.assert_array_equal(np.sort(around), np.flatnonzero((tets == node).any(axis=1)))


def test_the_elements_around_several_nodes():
    points, tets = grid(3)
    nodes = np.array([5, 0, 40])
    around = Incidence.of(tets, len(points)).around(nodes)
    np.testing.assert_array_equal(around, np.flatnonzero(np.isin(tets, nodes).any(axis=1)))
    assert len(Incidence.of(tets, len(points)).around(nodes[:0])) == 0

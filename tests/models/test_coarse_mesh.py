"""Barycentric coordinates, and the shipped coarse mesh in the template."""

from __future__ import annotations

import numpy as np

from models.coarse_mesh import barycentric


def test_barycentric_coordinates():
    nodes = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0], [0, 0, 2]])
    corners = np.array([[0, 1, 2, 3]], np.int32)
    np.testing.assert_allclose(barycentric(nodes, corners, np.array([[0.5, 0.5, 0.5]])), [[0.25] * 4])
    np.testing.assert_allclose(barycentric(nodes, corners, np.array([[2.0, 0, 0]])), [[0, 1, 0, 0]], atol=1e-15)


def test_the_shipped_coarse_mesh_fits_the_template(bundle, template):
    mesh = bundle.tangent.coarse
    weights = mesh.node_weights(template)
    positions = np.einsum("kc,kcd->kd", weights, template.nodes[template.tets[mesh.node_host]])
    np.testing.assert_allclose(positions, mesh.nodes, atol=1e-4)
    fine = mesh.fine_weights(template)
    assert fine.min() >= 0.0
    np.testing.assert_allclose(fine.sum(axis=1), 1.0)
    off = np.linalg.norm(np.einsum("nc,ncd->nd", fine, mesh.nodes[mesh.tets[mesh.host]]) - template.nodes, axis=1)
    assert np.median(off) < 1e-6  # most fine nodes lie inside the coarse mesh
    assert off.max() < 3.0

"""The coarse mesh of the template, on which the tangent surrogate solves a small finite-element problem a subject."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.template import Template
from models.types import Floats, Ints


@dataclass(frozen=True)
class CoarseMesh:
    """A mesh of few tetrahedra that fills the template, and which tetrahedra of one mesh hold the nodes of the other.

    The host of a point is the tetrahedron that holds it.

    Attributes
    ----------
    nodes
        (k, 3) float64, mm, template frame.
    tets
        (e, 4) int32.
    fixed
        Sorted ids (int32) of the coarse Dirichlet nodes.
    node_host
        (k,) int32: fine host of each coarse node.
    tet_host
        (e,) int32: fine host of the centroid of each coarse tetrahedron.
    host
        (n,) int32: coarse host of each fine node, or the closest coarse tetrahedron of a node outside.
    """

    nodes: Floats
    tets: Ints
    fixed: Ints
    node_host: Ints
    tet_host: Ints
    host: Ints

    def node_weights(self, template: Template) -> Floats:
        """Return (k, 4) float64: barycentric coordinates of the coarse nodes in their fine hosts."""
        return barycentric(template.nodes, template.tets[self.node_host], self.nodes)

    def fine_weights(self, template: Template) -> Floats:
        """Return (n, 4) float64: barycentric coordinates of the fine nodes in their coarse hosts.

        They are clipped to [0, 1] with sum 1, so a node outside its host is interpolated, never extrapolated.
        """
        weights = np.maximum(barycentric(self.nodes, self.tets[self.host], template.nodes), 0.0)
        return weights / weights.sum(axis=1, keepdims=True)


def barycentric(nodes: Floats, corners: Ints, points: Floats) -> Floats:
    """Return (m, 4) float64: barycentric coordinates of each point (m, 3) in its tetrahedron.

    Parameters
    ----------
    nodes
        (n, 3) float64, mm.
    corners
        (m, 4) ids of the corners of the tetrahedron of each point.
    points
        (m, 3) float64, mm.
    """
    v = nodes[corners]
    edges = (v[:, 1:] - v[:, :1]).transpose(0, 2, 1)
    last = np.linalg.solve(edges, (points - v[:, 0])[..., None])[..., 0]
    return np.concatenate([1.0 - last.sum(axis=1, keepdims=True), last], axis=1)

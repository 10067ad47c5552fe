"""The coarse mesh of the template, on which the surrogate solves a small finite-element problem for every subject."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.template import Template
from models.types import Floats, Ints


@dataclass(frozen=True)
class CoarseMesh:
    """A mesh of few tetrahedra that fills the template, and how it hangs together with the fine one.

    Attributes
    ----------
    nodes
        (k, 3) float64, mm, template frame.
    tets
        (e, 4) int32.
    fixed
        Sorted ids (int32) of the clamped coarse nodes.
    node_host
        (k,) int32: fine tetrahedron that holds each coarse node.
    tet_host
        (e,) int32: fine tetrahedron that holds the centroid of each coarse one.
    host
        (n,) int32: coarse tetrahedron that holds, or is closest to, each fine node.
    """

    nodes: Floats
    tets: Ints
    fixed: Ints
    node_host: Ints
    tet_host: Ints
    host: Ints

    def node_weights(self, template: Template) -> Floats:
        """Return (k, 4): barycentric coordinates of the coarse nodes in their fine tetrahedra."""
        return barycentric(template.nodes, template.tets[self.node_host], self.nodes)

    def fine_weights(self, template: Template) -> Floats:
        """Return (n, 4): barycentric coordinates of the fine nodes in their coarse tetrahedra, nothing extrapolated."""
        weights = np.maximum(barycentric(self.nodes, self.tets[self.host], template.nodes), 0.0)
        return weights / weights.sum(axis=1, keepdims=True)


def barycentric(nodes: Floats, corners: Ints, points: Floats) -> Floats:
    """Return (m, 4): barycentric coordinates of each point (m, 3) in its tetrahedron, whose corners are (m, 4) ids."""
    v = nodes[corners]
    edges = (v[:, 1:] - v[:, :1]).transpose(0, 2, 1)
    last = np.linalg.solve(edges, (points - v[:, 0])[..., None])[..., 0]
    return np.concatenate([1.0 - last.sum(axis=1, keepdims=True), last], axis=1)

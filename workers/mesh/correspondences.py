"""Pairs of points on a moving template surface and on a target, with weights."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.types import Bools, Floats, Integers, Ints
from workers.geometry.closest_point import ClosestPoint
from workers.geometry.point_tree import point_tree
from workers.geometry.surface import LEAST_LENGTH, Surface

N_SAMPLES = 8000
"""Samples of the target's area. A surface whose triangles come in another order has other samples. In a trial on five
vertebrae its field then differed by 0.22 to 0.51 % of the peak with 3,000, by 0.14 to 0.41 % with 8,000."""
FINE_NOISE_MM = 0.9
"""Up to this noise a sample looks for its partner among all vertices; the control points lie 1.7 mm apart."""
CANDIDATES, KEPT_CANDIDATES = 4, 8
"""Triangles examined a point: with 4 the distance is exact on an even surface. Twice as many where a point keeps its
triangles while it moves a little."""
LEAST_COSINE = 0.2
"""Least cosine between the normals of a pair (78 degrees apart): beyond it the surfaces face different ways."""
CAUCHY_PER_NOISE, LEAST_CAUCHY_MM = 9.0, 3.0
"""Distance at which a pair counts half, over the noise of the step, and its least value."""


class FoundPairs(NamedTuple):
    """Vertex ids (p,), target points (p, 3) mm, target normals (p, 3) and weights (p,) in [0, 1]."""

    nodes: Integers
    points: Floats
    normals: Floats
    weight: Floats


class Correspondences:
    """Finds pairs in both directions between a template surface, wherever it is, and one target.

    Parameters
    ----------
    triangles
        (t, 3) int32 of the template's surface.
    control
        (c,) ids of the template's vertices that look for a partner.
    target
        The target, mm, template frame.
    """

    def __init__(self, triangles: Ints, control: Integers, target: Surface) -> None:
        self.triangles, self.control = triangles, control
        self.closest = ClosestPoint(target)
        corner_normals = target.normals[target.triangles].sum(axis=1)
        self.normals = corner_normals / np.maximum(np.linalg.norm(corner_normals, axis=1, keepdims=True), LEAST_LENGTH)
        self.samples, triangle = target.sample(N_SAMPLES)
        self.sample_normals = self.normals[triangle]

    def pair(self, vertices: Floats, noise_mm: float) -> FoundPairs:
        """Return the pairs of the surface at `vertices` (n, 3), mm.

        Each control point is paired with its closest point on the target, and each sample of the target with the
        closest vertex, while the noise is large the closest control point.

        The weight is zero where the surfaces face different ways and falls with the distance (Cauchy).
        """
        own_normals = Surface(vertices, self.triangles).normals
        points, triangle, d1 = self.closest(vertices[self.control], candidates=CANDIDATES)
        reached = self.control if noise_mm > FINE_NOISE_MM else np.arange(len(vertices))
        d2, nearest = point_tree(vertices[reached]).query(self.samples, workers=-1)
        nodes = np.concatenate([self.control, reached[nearest]])
        normals = np.concatenate([self.normals[triangle], self.sample_normals])
        distance = np.concatenate([d1, d2])
        width = max(CAUCHY_PER_NOISE * noise_mm, LEAST_CAUCHY_MM)
        weight = _agree(normals, own_normals[nodes]) / (1.0 + (distance / width) ** 2)
        weight[len(self.control) :] *= len(self.control) / N_SAMPLES  # both directions count alike
        return FoundPairs(nodes, np.concatenate([points, self.samples]), normals, weight)

    def triangles_near(self, vertices: Floats) -> Integers:
        """Return the ids (n, k) of the target's triangles near each vertex (n, 3), mm."""
        return self.closest.near(vertices, KEPT_CANDIDATES)

    def closest_offsets(self, vertices: Floats, near: Integers) -> Floats:
        """Return (n, 3) mm from each vertex to its closest point on the triangles (n, k) near it.

        It is zero where the surfaces face apart.
        """
        points, triangle, _ = self.closest.among(vertices, near)
        own_normals = Surface(vertices, self.triangles).normals
        return (points - vertices) * _agree(self.normals[triangle], own_normals)[:, None]


def _agree(a: Floats, b: Floats) -> Bools:
    """Return (n,) bool: whether unit normals a (n, 3) and b (n, 3) point the same way."""
    return (a * b).sum(axis=1) > LEAST_COSINE

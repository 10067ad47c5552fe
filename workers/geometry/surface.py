"""Triangle surfaces: orientation, normals, sampling and exact closest points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.types import Floats, Ints


@dataclass(frozen=True)
class Surface:
    """A triangle surface in mm.

    Attributes
    ----------
    vertices
        (n, 3) float64, mm.
    triangles
        (t, 3) int32, counter-clockwise seen from outside.
    """

    vertices: Floats
    triangles: Ints

    @cached_property
    def triangle_vectors(self) -> Floats:
        """(t, 3) area vectors, mm^2: normal times area."""
        a, b, c = (self.vertices[self.triangles[:, i]] for i in range(3))
        vectors: Floats = 0.5 * np.cross(b - a, c - a)
        return vectors

    @cached_property
    def areas(self) -> Floats:
        """(t,) triangle areas, mm^2."""
        return np.linalg.norm(self.triangle_vectors, axis=1)

    @cached_property
    def normals(self) -> Floats:
        """(n, 3) unit vertex normals, area-weighted."""
        total = np.empty_like(self.vertices)
        corners = self.triangles.ravel()
        for axis in range(3):
            total[:, axis] = np.bincount(
                corners, np.repeat(self.triangle_vectors[:, axis], 3), minlength=len(self.vertices)
            )
        return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)

    @cached_property
    def volume(self) -> float:
        """Enclosed volume, mm^3; negative where the triangles are inside out."""
        centroids = self.vertices[self.triangles].mean(axis=1)
        return float(np.einsum("ij,ij->", centroids, self.triangle_vectors) / 3.0)

    @cached_property
    def centroid(self) -> Floats:
        """(3,) area-weighted centroid, mm."""
        return self.areas @ self.vertices[self.triangles].mean(axis=1) / self.areas.sum()

    def outward(self) -> Surface:
        """Return the surface with its triangles oriented outward (an affine of negative determinant flips them)."""
        if self.volume >= 0.0:
            return self
        return Surface(self.vertices, np.ascontiguousarray(self.triangles[:, [0, 2, 1]]))

    def transformed(self, matrix: Floats, offset: Floats) -> Surface:
        """Return the surface with vertices ``matrix @ x + offset``."""
        return Surface(self.vertices @ matrix.T + offset, self.triangles)

    def sample(self, n: int, seed: int = 0) -> tuple[Floats, NDArray[np.intp]]:
        """Return `n` points spread uniformly over the area, (n, 3) mm, and the triangle of each."""
        rng = np.random.default_rng(seed)
        cumulative = np.cumsum(self.areas)
        # stratified: evenly spaced in cumulative area, so no patch is left out
        picks = (np.arange(n) + rng.random(n)) / n * cumulative[-1]
        chosen = np.minimum(np.searchsorted(cumulative, picks), len(self.triangles) - 1)
        r1, r2 = np.sqrt(rng.random(n)), rng.random(n)
        weights = np.stack([1.0 - r1, r1 * (1.0 - r2), r1 * r2], axis=1)
        return np.einsum("nk,nkd->nd", weights, self.vertices[self.triangles[chosen]]), chosen


@nb.njit(parallel=True, cache=True)
def _closest_on_candidates(points, candidates, vertices, triangles):  # type: ignore[no-untyped-def]
    """Closest point of each row's candidate triangles (Ericson, Real-Time Collision Detection, 5.1.5)."""
    n = points.shape[0]
    closest = np.empty((n, 3))
    chosen = np.empty(n, np.int64)
    distance = np.empty(n)
    for i in nb.prange(n):
        best = np.inf
        p = points[i]
        for k in range(candidates.shape[1]):
            t = candidates[i, k]
            a, b, c = vertices[triangles[t, 0]], vertices[triangles[t, 1]], vertices[triangles[t, 2]]
            ab0, ab1, ab2 = b[0] - a[0], b[1] - a[1], b[2] - a[2]
            ac0, ac1, ac2 = c[0] - a[0], c[1] - a[1], c[2] - a[2]
            ap0, ap1, ap2 = p[0] - a[0], p[1] - a[1], p[2] - a[2]
            bp0, bp1, bp2 = p[0] - b[0], p[1] - b[1], p[2] - b[2]
            cp0, cp1, cp2 = p[0] - c[0], p[1] - c[1], p[2] - c[2]
            d1, d2 = ab0 * ap0 + ab1 * ap1 + ab2 * ap2, ac0 * ap0 + ac1 * ap1 + ac2 * ap2
            d3, d4 = ab0 * bp0 + ab1 * bp1 + ab2 * bp2, ac0 * bp0 + ac1 * bp1 + ac2 * bp2
            d5, d6 = ab0 * cp0 + ab1 * cp1 + ab2 * cp2, ac0 * cp0 + ac1 * cp1 + ac2 * cp2
            vc, vb, va = d1 * d4 - d3 * d2, d5 * d2 - d1 * d6, d3 * d6 - d5 * d4
            v, w = 0.0, 0.0
            if d1 <= 0.0 and d2 <= 0.0:
                pass
            elif d3 >= 0.0 and d4 <= d3:
                v = 1.0
            elif d6 >= 0.0 and d5 <= d6:
                w = 1.0
            elif vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
                v = d1 / (d1 - d3)
            elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
                w = d2 / (d2 - d6)
            elif va <= 0.0 and d4 >= d3 and d5 >= d6:
                w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
                v = 1.0 - w
            elif va + vb + vc > 0.0:
                v, w = vb / (va + vb + vc), vc / (va + vb + vc)
            x0, x1, x2 = a[0] + v * ab0 + w * ac0, a[1] + v * ab1 + w * ac1, a[2] + v * ab2 + w * ac2
            d = (p[0] - x0) ** 2 + (p[1] - x1) ** 2 + (p[2] - x2) ** 2
            if d < best:
                best = d
                closest[i, 0], closest[i, 1], closest[i, 2] = x0, x1, x2
                chosen[i] = t
        distance[i] = np.sqrt(best)
    return closest, chosen, distance


class ClosestPoint:
    """Closest points on a surface: a k-d tree of triangle centroids, then exact point-triangle distances."""

    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self._vertices = np.ascontiguousarray(surface.vertices)
        self._triangles = surface.triangles.astype(np.int64)
        self._tree = cKDTree(self._vertices[self._triangles].mean(axis=1))

    def __call__(self, points: Floats, candidates: int = 8) -> tuple[Floats, NDArray[np.int64], Floats]:
        """Return closest points (n, 3) mm, their triangles (n,) and distances (n,) mm for `points` (n, 3) mm.

        The `candidates` triangles of nearest centroid are examined; exact for triangles of similar size.
        """
        k = min(candidates, len(self._triangles))
        _, near = self._tree.query(points, k=k, workers=-1)
        return _closest_on_candidates(
            np.ascontiguousarray(points), near.reshape(len(points), k), self._vertices, self._triangles
        )


def surface_distance(a: Surface, b: Surface, n: int = 20_000) -> Floats:
    """Return the symmetric surface distance: (2 n,) mm, `n` area-uniform points of each to the other."""
    to_b = ClosestPoint(b)(a.sample(n)[0])[2]
    to_a = ClosestPoint(a)(b.sample(n)[0])[2]
    return np.concatenate([to_b, to_a])

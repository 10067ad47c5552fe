"""Triangle surfaces: areas, normals, volume, orientation and uniform samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.compiled import compiled
from models.types import Floats, Integers, Ints

LEAST_LENGTH = 1e-12
"""Floor of the lengths that normals are divided by: the normal of a vertex without area is zero, not NaN."""


@compiled("(f8[:,::1], i4[:,::1])", parallel=False)
def _vertex_normals(vertices, triangles):  # type: ignore[no-untyped-def]
    """Unit normals (n, 3) of the vertices: sums of the area vectors around each."""
    total = np.zeros(vertices.shape)
    for t in range(triangles.shape[0]):
        a, b, c = vertices[triangles[t, 0]], vertices[triangles[t, 1]], vertices[triangles[t, 2]]
        u0, u1, u2 = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        v0, v1, v2 = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        for corner in triangles[t]:
            total[corner, 0] += 0.5 * (u1 * v2 - u2 * v1)
            total[corner, 1] += 0.5 * (u2 * v0 - u0 * v2)
            total[corner, 2] += 0.5 * (u0 * v1 - u1 * v0)
    for i in range(len(total)):
        x, y, z = total[i]
        total[i] /= max(np.sqrt(x * x + y * y + z * z), LEAST_LENGTH)
    return total


@compiled("(f8[:,::1], i4[:,::1])", parallel=False)
def _triangle_vectors(vertices, triangles):  # type: ignore[no-untyped-def]
    """Half the cross products (t, 3) of the first two edges of triangles (t, 3)."""
    out = np.empty((len(triangles), 3))
    for t in range(len(triangles)):
        a, b, c = vertices[triangles[t, 0]], vertices[triangles[t, 1]], vertices[triangles[t, 2]]
        u0, u1, u2 = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        v0, v1, v2 = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        out[t, 0] = 0.5 * (u1 * v2 - u2 * v1)
        out[t, 1] = 0.5 * (u2 * v0 - u0 * v2)
        out[t, 2] = 0.5 * (u0 * v1 - u1 * v0)
    return out


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
        """(t, 3) area vectors, mm^2: unit normal times area."""
        return np.asarray(_triangle_vectors(np.ascontiguousarray(self.vertices, np.float64), self.triangles))

    @cached_property
    def areas(self) -> Floats:
        """(t,) triangle areas, mm^2."""
        return np.linalg.norm(self.triangle_vectors, axis=1)

    @cached_property
    def normals(self) -> Floats:
        """(n, 3) unit vertex normals: the area-weighted mean of the normals of the triangles around a vertex."""
        return np.asarray(_vertex_normals(np.ascontiguousarray(self.vertices, np.float64), self.triangles))

    @cached_property
    def volume(self) -> float:
        """Enclosed volume, mm^3; negative where the triangles are oriented inward."""
        centroids = self.vertices[self.triangles].mean(axis=1)
        return float(np.einsum("ij,ij->", centroids, self.triangle_vectors) / 3.0)

    @cached_property
    def centroid(self) -> Floats:
        """(3,) area-weighted centroid, mm."""
        return self.areas @ self.vertices[self.triangles].mean(axis=1) / self.areas.sum()

    def orient_outward(self) -> Surface:
        """Return the surface with its triangles oriented outward; a map of negative determinant turns them inward."""
        if self.volume >= 0.0:
            return self
        return Surface(self.vertices, np.ascontiguousarray(self.triangles[:, [0, 2, 1]]))

    def transform(self, matrix: Floats, offset: Floats) -> Surface:
        """Return the surface with vertices ``matrix @ x + offset``; `matrix` is (3, 3), `offset` (3,) in mm."""
        return Surface(self.vertices @ matrix.T + offset, self.triangles)

    def sample(self, n: int, seed: int = 0) -> tuple[Floats, Integers]:
        """Return `n` points spread uniformly over the area, (n, 3) mm, and the id of the triangle of each, (n,).

        The samples are stratified: point i lies in the i-th of `n` equal shares of the cumulative area.
        """
        rng = np.random.default_rng(seed)
        cumulative = np.cumsum(self.areas)
        picks = (np.arange(n) + rng.random(n)) / n * cumulative[-1]
        chosen = np.minimum(np.searchsorted(cumulative, picks), len(self.triangles) - 1)
        r1, r2 = np.sqrt(rng.random(n)), rng.random(n)
        weights = np.stack([1.0 - r1, r1 * (1.0 - r2), r1 * r2], axis=1)
        return np.einsum("nk,nkd->nd", weights, self.vertices[self.triangles[chosen]]), chosen

"""A mesh of tetrahedra with each element cut into eight: the same body, half the size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.types import Floats, Ints

EDGES = np.array([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]])
EIGHT = np.array(
    [
        [0, 4, 5, 6],
        [4, 1, 7, 8],
        [5, 7, 2, 9],
        [6, 8, 9, 3],
        [4, 5, 6, 8],
        [4, 5, 8, 7],
        [9, 5, 7, 8],
        [9, 5, 8, 6],
    ]
)
"""A tetrahedron in eight: corners 0 to 3, then the middles of `EDGES`."""
FOUR = np.array([[0, 3, 5], [3, 1, 4], [5, 4, 2], [3, 4, 5]])
"""A triangle in four: corners 0 to 2, then the middles of its edges 01, 12 and 20."""


@dataclass(frozen=True)
class Body:
    """A meshed body that is compressed.

    Attributes
    ----------
    points
        (n, 3) float64, mm.
    tets
        (m, 4) int32.
    superior, inferior
        (a, 3) and (b, 3) outward triangles of its ends.
    """

    points: Floats
    tets: Ints
    superior: Ints
    inferior: Ints

    def at(self, points: Floats) -> Body:
        """Return the same mesh with other points (n, 3), mm."""
        return replace(self, points=points)

    def refined(self) -> tuple[Body, Ints]:
        """Return the body with each element in eight, which follow each other, and the elements with ten nodes (m, 10).

        The middles of the edges follow the n nodes. Triangles are cut in four.
        """
        n = len(self.points)
        ends = np.sort(self.tets[:, EDGES].reshape(-1, 2), axis=1).astype(np.int64)
        keys, middles = np.unique(ends[:, 0] * n + ends[:, 1], return_inverse=True)
        first, second = keys // n, keys % n
        points = np.concatenate([self.points, (self.points[first] + self.points[second]) / 2.0])
        ten = np.concatenate([self.tets, n + middles.reshape(-1, 6)], axis=1).astype(np.int32)

        def cut(triangles: Ints) -> Ints:
            pairs = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1).astype(np.int64)
            between = n + np.searchsorted(keys, pairs[:, 0] * n + pairs[:, 1]).reshape(-1, 3)
            return np.concatenate([triangles, between], axis=1)[:, FOUR].reshape(-1, 3).astype(np.int32)

        eight = np.ascontiguousarray(ten[:, EIGHT].reshape(-1, 4))
        return Body(points, eight, cut(self.superior), cut(self.inferior)), ten


def outer_triangles(tets: Ints) -> Ints:
    """Return the faces (f, 3) that only one tetrahedron has, oriented outward."""
    faces = np.concatenate([tets[:, face] for face in ([1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1])])
    _, first, count = np.unique(np.sort(faces, axis=1), axis=0, return_index=True, return_counts=True)
    return np.asarray(faces[first[count == 1]])

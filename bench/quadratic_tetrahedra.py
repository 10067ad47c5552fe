"""Quadratic tetrahedra with straight edges, without a matrix: a peer of the linear ones on the same mesh."""

from __future__ import annotations

import numba as nb
import numpy as np

from bench.refined_mesh import EDGES
from models.compiled import compiled
from models.types import Floats, Ints
from workers.bone.sampling import FAR_CORNER, NEAR_CORNER
from workers.fem.linear_tetrahedra import shape_gradients
from workers.fem.material import Material

N_NODES, N_CORNERS = 10, 4
EDGE_ENDS = np.ascontiguousarray(EDGES, np.int64)


class QuadraticElements:
    """The stiffness of m elements with ten nodes: corners, then the middles of `bench.refined_mesh.EDGES`.

    Parameters
    ----------
    points
        (n, 3) float64, mm, middles of edges too.
    ten
        (m, 10) int32.
    material
        Of the m elements, the same all over each; so four points integrate it exactly.
    """

    def __init__(self, points: Floats, ten: Ints, material: Material) -> None:
        self.ten, self.n = ten, len(points)
        corners = np.ascontiguousarray(ten[:, :N_CORNERS])
        self.gradient, volume = shape_gradients(points, corners)
        self.weight, self.lame = material.stiffened(volume) / N_CORNERS, material.lame

    def forces(self, displacement: Floats) -> Floats:
        """Return the nodal forces (n, 3), N, that hold a displacement (n, 3), mm."""
        of_elements = _element_forces(displacement, self.ten, self.gradient, self.weight, *self.lame, EDGE_ENDS)
        at = self.ten.ravel()
        return np.stack([np.bincount(at, of_elements[..., axis].ravel(), self.n) for axis in range(3)], axis=1)


@compiled("(f8[:,::1], i4[:,::1], f8[:,:,::1], f8[::1], f8, f8, i8[:,::1])")
def _element_forces(displacement, ten, corner_gradient, weight, lam, mu, edges):  # type: ignore[no-untyped-def]
    """Return the forces (m, 10, 3) of each element: the sum of weight x stress x gradient over four points."""
    out = np.zeros((len(ten), 10, 3))
    for t in nb.prange(len(ten)):
        shape = np.empty((10, 3))
        for point in range(4):
            for a in range(4):
                own = NEAR_CORNER if a == point else FAR_CORNER
                for r in range(3):
                    shape[a, r] = (4.0 * own - 1.0) * corner_gradient[t, a, r]
            for e in range(6):
                i, j = edges[e, 0], edges[e, 1]
                at_i = NEAR_CORNER if i == point else FAR_CORNER
                at_j = NEAR_CORNER if j == point else FAR_CORNER
                for r in range(3):
                    shape[4 + e, r] = 4.0 * (at_i * corner_gradient[t, j, r] + at_j * corner_gradient[t, i, r])
            h = np.zeros((3, 3))
            for a in range(10):
                for r in range(3):
                    for c in range(3):
                        h[r, c] += displacement[ten[t, a], r] * shape[a, c]
            pressure = lam * (h[0, 0] + h[1, 1] + h[2, 2])
            for a in range(10):
                for r in range(3):
                    total = pressure * shape[a, r]
                    for c in range(3):
                        total += mu * (h[r, c] + h[c, r]) * shape[a, c]
                    out[t, a, r] += weight[t] * total
    return out

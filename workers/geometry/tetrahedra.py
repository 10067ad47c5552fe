"""Measures of linear tetrahedra: shape quality, volume, dihedral angle.

The shape quality of a tetrahedron of volume V is its mean ratio, 12 (3 V)^(2/3) / (sum of squared edge lengths). It is
1 for the regular tetrahedron, 0 for a flat one and negative for an inverted one (Liu & Joe, "Relationship between
tetrahedron shape measures", BIT 34, 1994).
"""

from __future__ import annotations

import numba as nb
import numpy as np

from models.compiled import compiled
from models.types import Floats, Ints

LEAST_NORMAL = 1e-300
"""Floor of the lengths that face normals are divided by; a flat face gives zero, not NaN."""


@compiled("(f8[:,::1], i4[:,::1])")
def _mean_ratio_kernel(points, tets):  # type: ignore[no-untyped-def]
    """Mean ratio (m,) and signed volume (m,) of tetrahedra (m, 4); `six` is six times the volume."""
    n = tets.shape[0]
    quality = np.empty(n)
    volume = np.empty(n)
    for t in nb.prange(n):
        a, b, c, d = points[tets[t, 0]], points[tets[t, 1]], points[tets[t, 2]], points[tets[t, 3]]
        u0, u1, u2 = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        v0, v1, v2 = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        w0, w1, w2 = d[0] - a[0], d[1] - a[1], d[2] - a[2]
        six = u0 * (v1 * w2 - v2 * w1) + u1 * (v2 * w0 - v0 * w2) + u2 * (v0 * w1 - v1 * w0)
        edges = (
            u0 * u0 + u1 * u1 + u2 * u2 + v0 * v0 + v1 * v1 + v2 * v2 + w0 * w0 + w1 * w1 + w2 * w2
            + (u0 - v0) ** 2 + (u1 - v1) ** 2 + (u2 - v2) ** 2
            + (u0 - w0) ** 2 + (u1 - w1) ** 2 + (u2 - w2) ** 2
            + (v0 - w0) ** 2 + (v1 - w1) ** 2 + (v2 - w2) ** 2
        )  # fmt: skip
        quality[t] = np.sign(six) * 12.0 * np.cbrt((0.5 * six) ** 2) / edges if edges > 0.0 else 0.0
        volume[t] = six / 6.0
    return quality, volume


def mean_ratio(points: Floats, tets: Ints) -> tuple[Floats, Floats]:
    """Return the signed mean ratio (m,), in [-1, 1], and the signed volume (m,), mm^3, of each tetrahedron.

    Parameters
    ----------
    points
        (n, 3) float64, mm.
    tets
        (m, 4) int32.
    """
    quality, volume = _mean_ratio_kernel(points, tets)
    return quality, volume


def tet_volumes(points: Floats, tets: Ints) -> Floats:
    """Return the signed volumes (m,) float64, mm^3, of tetrahedra (m, 4) on points (n, 3) in mm."""
    return mean_ratio(np.ascontiguousarray(points), tets)[1]


@compiled("(f8[::1], i4[:,::1], i8)", parallel=False)
def _lumped(values, tets, n):  # type: ignore[no-untyped-def]
    """Sums (n,) at the nodes of a quarter of the value (m,) of each tetrahedron around them."""
    total = np.zeros(n)
    for t in range(tets.shape[0]):
        for c in range(4):
            total[tets[t, c]] += values[t] / 4.0
    return total


def nodal_volumes(points: Floats, tets: Ints) -> Floats:
    """Return the lumped volume of each node, (n,) float64, mm^3: a quarter of each tetrahedron around it."""
    lumped: Floats = _lumped(np.abs(tet_volumes(points, tets)), tets, len(points))
    return lumped


@compiled(parallel=False)
def _unit_normal(a, b, c):  # type: ignore[no-untyped-def]
    """Unit normal of the triangle a, b, c; zero where it is flat."""
    u0, u1, u2 = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    v0, v1, v2 = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    x, y, z = u1 * v2 - u2 * v1, u2 * v0 - u0 * v2, u0 * v1 - u1 * v0
    length = max(np.sqrt(x * x + y * y + z * z), LEAST_NORMAL)
    return x / length, y / length, z / length


@compiled("(f8[:,::1], i4[:,::1])")
def _largest_cosine_kernel(points, tets):  # type: ignore[no-untyped-def]
    """Largest cosine of a dihedral angle (m,) of tetrahedra (m, 4): minus the product of two outward unit normals."""
    n = tets.shape[0]
    largest = np.empty(n)
    for t in nb.prange(n):
        a, b, c, d = points[tets[t, 0]], points[tets[t, 1]], points[tets[t, 2]], points[tets[t, 3]]
        normals = (_unit_normal(b, c, d), _unit_normal(a, d, c), _unit_normal(a, b, d), _unit_normal(a, c, b))
        best = -1.0
        for i in range(1, 4):
            for j in range(i):
                p, q = normals[i], normals[j]
                best = max(best, -(p[0] * q[0] + p[1] * q[1] + p[2] * q[2]))
        largest[t] = best
    return largest


def min_dihedral_degrees(points: Floats, tets: Ints) -> float:
    """Return the smallest dihedral angle, degrees, of all tetrahedra (m, 4) on points (n, 3) in mm.

    The cosine of the angle between two faces is minus the product of their outward unit normals. All angles of a
    regular tetrahedron are 70.5 degrees.
    """
    largest = _largest_cosine_kernel(np.ascontiguousarray(points), tets).max()
    return float(np.degrees(np.arccos(np.clip(largest, -1.0, 1.0))))

"""Stiffness matrix and nodal stress of linear (constant-strain) tetrahedra, isotropic linear elasticity.

The sparsity pattern depends on the connectivity alone; `Pattern` holds it, so a template pays for it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
import scipy.sparse

from models.types import Floats, Ints
from workers.geometry.incidence import Incidence


@dataclass(frozen=True)
class Material:
    """Isotropic linear elasticity (paper section II.A).

    Attributes
    ----------
    young_mpa
        Young's modulus E, MPa.
    poisson
        Poisson's ratio, in (-1, 0.5).
    """

    young_mpa: float = 500.0
    poisson: float = 0.3

    @property
    def lame(self) -> tuple[float, float]:
        """Lamé's first parameter and the shear modulus, MPa."""
        e, nu = self.young_mpa, self.poisson
        return e * nu / ((1.0 + nu) * (1.0 - 2.0 * nu)), e / (2.0 * (1.0 + nu))


@dataclass(frozen=True)
class Pattern:
    """Block sparsity of the stiffness matrix of a mesh, and where each element's blocks go.

    Attributes
    ----------
    tets
        (m, 4) int32.
    incidence
        Elements around each node.
    indptr, indices
        Compressed rows of the node graph, diagonal included, columns sorted.
    slots
        (m, 4, 4) int32: position in `indices` of the block that couples corners a and b of an element.
    """

    tets: Ints
    incidence: Incidence
    indptr: Ints
    indices: Ints
    slots: Ints

    @property
    def n_nodes(self) -> int:
        """Number of nodes n."""
        return len(self.indptr) - 1

    @classmethod
    def of(cls, tets: Ints, n_nodes: int) -> Pattern:
        """Build the pattern of a mesh with connectivity `tets` (m, 4)."""
        tets = np.ascontiguousarray(tets, np.int32)
        corner = np.arange(4)
        rows = np.repeat(tets, 4, axis=1).ravel()
        columns = tets[:, np.tile(corner, 4)].ravel()
        ones: Any = np.ones(len(rows), np.int8)
        graph: Any = scipy.sparse.csr_array((ones, (rows, columns)), shape=(n_nodes, n_nodes))
        graph.sum_duplicates()
        graph.sort_indices()
        indptr, indices = graph.indptr.astype(np.int32), graph.indices.astype(np.int32)
        return cls(tets, Incidence.of(tets, n_nodes), indptr, indices, _find_slots(tets, indptr, indices))


@nb.njit(parallel=True, cache=True)
def _find_slots(tets, indptr, indices):  # type: ignore[no-untyped-def]
    slots = np.empty((tets.shape[0], 4, 4), np.int32)
    for t in nb.prange(tets.shape[0]):
        for a in range(4):
            low, high = indptr[tets[t, a]], indptr[tets[t, a] + 1]
            for b in range(4):
                slots[t, a, b] = low + np.searchsorted(indices[low:high], tets[t, b])
    return slots


@nb.njit(parallel=True, cache=True)
def _gradients(points, tets):  # type: ignore[no-untyped-def]
    """Gradients of the four shape functions (m, 4, 3), 1/mm, and signed volumes (m,), mm^3."""
    m = tets.shape[0]
    gradient = np.empty((m, 4, 3))
    volume = np.empty(m)
    for t in nb.prange(m):
        o = points[tets[t, 0]]
        e = np.empty((3, 3))
        for k in range(3):
            for r in range(3):
                e[k, r] = points[tets[t, k + 1], r] - o[r]
        c = np.empty((3, 3))
        for k in range(3):
            k1, k2 = (k + 1) % 3, (k + 2) % 3
            for r in range(3):
                r1, r2 = (r + 1) % 3, (r + 2) % 3
                c[k, r] = e[k1, r1] * e[k2, r2] - e[k1, r2] * e[k2, r1]
        six = e[0, 0] * c[0, 0] + e[0, 1] * c[0, 1] + e[0, 2] * c[0, 2]
        volume[t] = six / 6.0
        for r in range(3):
            total = 0.0
            for k in range(3):
                gradient[t, k + 1, r] = c[k, r] / six
                total += gradient[t, k + 1, r]
            gradient[t, 0, r] = -total
    return gradient, volume


@nb.njit(parallel=True, cache=True)
def _assemble(gradient, volume, start, incident, tets, slots, n_blocks, lam, mu):  # type: ignore[no-untyped-def]
    """Add up each node's rows: K_ab = V (lam g_a g_b' + mu g_b g_a' + mu g_a.g_b I); no two threads write one row."""
    data = np.zeros((n_blocks, 3, 3))
    for node in nb.prange(len(start) - 1):
        for k in range(start[node], start[node + 1]):
            t = incident[k]
            a = 0
            while tets[t, a] != node:
                a += 1
            ga = gradient[t, a]
            v = volume[t]
            for b in range(4):
                gb = gradient[t, b]
                block = data[slots[t, a, b]]
                dot = mu * v * (ga[0] * gb[0] + ga[1] * gb[1] + ga[2] * gb[2])
                for r in range(3):
                    for c in range(3):
                        block[r, c] += v * (lam * ga[r] * gb[c] + mu * gb[r] * ga[c])
                    block[r, r] += dot
    return data


def shape_gradients(points: Floats, tets: Ints) -> tuple[Floats, Floats]:
    """Return shape-function gradients (m, 4, 3) in 1/mm and signed element volumes (m,) in mm^3.

    Parameters
    ----------
    points
        (n, 3) float64, mm.
    tets
        (m, 4) int32.
    """
    gradient, volume = _gradients(np.ascontiguousarray(points, np.float64), tets)
    return gradient, volume


def stiffness(pattern: Pattern, gradient: Floats, volume: Floats, material: Material) -> Any:
    """Return the (3n, 3n) stiffness matrix, N/mm, as `scipy.sparse.bsr_array` with 3x3 blocks."""
    lam, mu = material.lame
    data = _assemble(
        gradient,
        volume,
        pattern.incidence.start,
        pattern.incidence.tets,
        pattern.tets,
        pattern.slots,
        len(pattern.indices),
        lam,
        mu,
    )
    n = 3 * pattern.n_nodes
    return scipy.sparse.bsr_array((data, pattern.indices, pattern.indptr), shape=(n, n))


@nb.njit(parallel=True, cache=True)
def _element_stress(displacement, gradient, tets, lam, mu):  # type: ignore[no-untyped-def]
    stress = np.empty((tets.shape[0], 6))
    for t in nb.prange(tets.shape[0]):
        g = np.zeros((3, 3))
        for a in range(4):
            for r in range(3):
                for c in range(3):
                    g[r, c] += displacement[tets[t, a], r] * gradient[t, a, c]
        trace = lam * (g[0, 0] + g[1, 1] + g[2, 2])
        for r in range(3):
            stress[t, r] = trace + 2.0 * mu * g[r, r]
        stress[t, 3] = mu * (g[0, 1] + g[1, 0])
        stress[t, 4] = mu * (g[1, 2] + g[2, 1])
        stress[t, 5] = mu * (g[2, 0] + g[0, 2])
    return stress


def element_stress(displacement: Floats, gradient: Floats, tets: Ints, material: Material) -> Floats:
    """Return the constant stress of each element, (m, 6) MPa: xx, yy, zz, xy, yz, zx."""
    lam, mu = material.lame
    stress: Floats = _element_stress(displacement, gradient, tets, lam, mu)
    return stress


@nb.njit(parallel=True, cache=True)
def _average_at_nodes(values, weights, start, incident):  # type: ignore[no-untyped-def]
    out = np.zeros((len(start) - 1, values.shape[1]))
    for node in nb.prange(len(start) - 1):
        total = 0.0
        for k in range(start[node], start[node + 1]):
            t = incident[k]
            total += weights[t]
            for c in range(values.shape[1]):
                out[node, c] += weights[t] * values[t, c]
        for c in range(values.shape[1]):
            out[node, c] /= total
    return out


def average_at_nodes(values: Floats, weights: Floats, incidence: Incidence) -> Floats:
    """Return nodal values (n, k): the average over the elements around a node of `values` (m, k), by `weights` (m,)."""
    out: Floats = _average_at_nodes(values, weights, incidence.start, incidence.tets)
    return out

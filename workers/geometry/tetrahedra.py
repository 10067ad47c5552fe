"""Shape quality of linear tetrahedra, and repair of the few that a morph leaves bad.

The quality of a tetrahedron is its mean ratio, 12 (3 V)^(2/3) / sum of squared edges: 1 for the regular one, 0 for a
flat one, negative for an inverted one (Liu & Joe, "Relationship between tetrahedron shape measures", BIT 34, 1994).
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from models.types import Floats, Ints

_INVERSE_IDEAL = np.linalg.inv(
    np.array([[1.0, 0.5, 0.5], [0.0, np.sqrt(3) / 2, np.sqrt(3) / 6], [0.0, 0.0, np.sqrt(2.0 / 3.0)]])
)


@nb.njit(parallel=True, cache=True)
def _mean_ratio_kernel(points, tets):  # type: ignore[no-untyped-def]
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


@dataclass(frozen=True)
class Incidence:
    """Tetrahedra around each node, in compressed rows: ``tets[start[i]:start[i + 1]]``."""

    start: NDArray[np.int64]
    tets: Ints

    @classmethod
    def of(cls, tets: Ints, n_nodes: int) -> Incidence:
        """Build from the connectivity (m, 4)."""
        order = np.argsort(tets.ravel(), kind="stable")
        counts = np.bincount(tets.ravel(), minlength=n_nodes)
        return cls(np.concatenate([[0], np.cumsum(counts)]), (order // 4).astype(np.int32))


@nb.njit(cache=True)
def _node_energy(points, node, x, tets, start, incident, inverse, delta, gradient):  # type: ignore[no-untyped-def]
    """Sum over the node's tets of kappa^2, kappa = |S|^2 / (3 h(det S)^(2/3)), with the node at x; its gradient.

    h(s) = (s + sqrt(s^2 + 4 delta^2)) / 2 keeps the energy finite across inversion: untangling and smoothing are one
    minimisation (Escobar et al., Comput. Methods Appl. Mech. Engrg. 192, 2003).
    """
    energy = 0.0
    gradient[:] = 0.0
    edge = np.empty((3, 3))
    s = np.empty((3, 3))
    cof = np.empty((3, 3))
    for k in range(start[node], start[node + 1]):
        t = incident[k]
        slot = 0
        for c in range(4):
            if tets[t, c] == node:
                slot = c
        base = x if slot == 0 else points[tets[t, 0]]
        for c in range(3):
            tip = x if slot == c + 1 else points[tets[t, c + 1]]
            for r in range(3):
                edge[r, c] = tip[r] - base[r]
        for r in range(3):
            for c in range(3):
                s[r, c] = edge[r, 0] * inverse[0, c] + edge[r, 1] * inverse[1, c] + edge[r, 2] * inverse[2, c]
        for r in range(3):
            r1, r2 = (r + 1) % 3, (r + 2) % 3
            for c in range(3):
                c1, c2 = (c + 1) % 3, (c + 2) % 3
                cof[r, c] = s[r1, c1] * s[r2, c2] - s[r1, c2] * s[r2, c1]
        det = s[0, 0] * cof[0, 0] + s[0, 1] * cof[0, 1] + s[0, 2] * cof[0, 2]
        norm2 = 0.0
        for r in range(3):
            for c in range(3):
                norm2 += s[r, c] * s[r, c]
        root = np.sqrt(det * det + 4.0 * delta * delta)
        h = 0.5 * (det + root)
        kappa = norm2 / (3.0 * h ** (2.0 / 3.0))
        energy += kappa * kappa
        # d kappa / dS = kappa (2 S / |S|^2 - 2/3 cof(S) / root), as h'(det) / h = 1 / root
        for r in range(3):
            for c in range(3):
                g = 2.0 * kappa * kappa * (2.0 * s[r, c] / norm2 - (2.0 / 3.0) * cof[r, c] / root)
                if slot == 0:
                    gradient[r] -= g * (inverse[0, c] + inverse[1, c] + inverse[2, c])
                else:
                    gradient[r] += g * inverse[slot - 1, c]
    return energy


@nb.njit(cache=True)
def _relax_nodes(points, nodes, limit, tets, start, incident, inverse, delta, sweeps):  # type: ignore[no-untyped-def]
    """Gauss-Seidel descent of each node's energy with backtracking; node i strays at most limit[i] from its start."""
    origin = points[nodes].copy()
    gradient, trial_gradient, trial = np.empty(3), np.empty(3), np.empty(3)
    for _ in range(sweeps):
        for i in range(len(nodes)):
            node = nodes[i]
            if limit[i] <= 0.0:
                continue
            size = 0.0
            for r in range(3):
                a, b = incident[start[node]], 0
                b = tets[a, 0] if tets[a, 0] != node else tets[a, 1]
                size += (points[b, r] - points[node, r]) ** 2
            step = 0.3 * np.sqrt(size)
            energy = _node_energy(points, node, points[node], tets, start, incident, inverse, delta, gradient)
            for _ in range(8):
                norm = np.sqrt((gradient**2).sum())
                if norm < 1e-12 or step < 1e-5:
                    break
                strayed = 0.0
                for r in range(3):
                    trial[r] = points[node, r] - step * gradient[r] / norm
                    strayed += (trial[r] - origin[i, r]) ** 2
                value = np.inf
                if strayed <= limit[i] * limit[i]:
                    value = _node_energy(points, node, trial, tets, start, incident, inverse, delta, trial_gradient)
                if value < energy:
                    energy = value
                    points[node] = trial
                    gradient[:] = trial_gradient
                    step *= 1.5
                else:
                    step *= 0.35


def relax(
    points: Floats,
    tets: Ints,
    incidence: Incidence,
    nodes: Ints,
    limit: Floats,
    sweeps: int = 4,
    softness: float = 1e-3,
) -> None:
    """Move `nodes` (k,) in place towards better-shaped tetrahedra, each at most `limit` (k,) mm from where it was.

    `softness` is the regularisation delta relative to the median element: small where the mesh is sound, larger (0.1)
    where it is tangled, so that the energy has a slope out of the tangle.
    """
    scale = np.median(np.abs(mean_ratio(points, tets)[1]))
    delta = softness * 6.0 * scale * np.linalg.det(_INVERSE_IDEAL)
    _relax_nodes(
        points, nodes.astype(np.int64), limit, tets, incidence.start, incidence.tets, _INVERSE_IDEAL, delta, sweeps
    )

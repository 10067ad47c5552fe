"""Relaxation of tetrahedral meshes: move nodes so that poor or inverted tetrahedra regain a good shape.

The method is local: one node after the other descends an energy of the tetrahedra around it. The energy is regularised,
so that it is finite and has a slope on inverted tetrahedra too: untangling and smoothing are one minimisation (Escobar
et al., Comput. Methods Appl. Mech. Engrg. 192, 2003).
"""

from __future__ import annotations

import numpy as np

from models.compiled import compiled
from models.types import Floats, Ints
from workers.geometry.incidence import Incidence

SWEEPS = 4
"""How often a call moves each node; the callers repeat calls until the mesh is good enough."""
REGULARISATION = 1e-3
"""Delta of the energy relative to the median element: suits a mesh that is sound apart from a few tetrahedra."""
FIRST_STEP = 0.3
"""First step of a node, as a share of one of its edges: a node that takes it stays clear of its neighbours."""
TRIALS = 8
"""Steps tried a node and sweep."""
STEP_GROWTH, STEP_SHRINKAGE = 1.5, 0.35
"""Factors of the step after one that lowers the energy, and after one that does not."""
LEAST_STEP_MM, LEAST_GRADIENT = 1e-5, 1e-12
"""A node with a smaller step or a smaller gradient rests: 1e-5 mm is far below what a fit resolves."""
_INVERSE_IDEAL = np.linalg.inv(
    np.array([[1.0, 0.5, 0.5], [0.0, np.sqrt(3) / 2, np.sqrt(3) / 6], [0.0, 0.0, np.sqrt(2.0 / 3.0)]])
)
"""Inverse of the edge matrix of the regular tetrahedron with edges of length 1; the three edges are columns."""


@compiled(parallel=False)
def _node_energy(points, node, x, tets, start, incident, inverse, delta, gradient):  # type: ignore[no-untyped-def]
    """Return the energy of the tetrahedra around a node that lies at x (3,), and write its gradient to `gradient` (3,).

    The energy is the sum of kappa^2, with kappa = |S|^2 / (3 h(det S)^(2/3)). S is the edge matrix of a tetrahedron
    times the inverse of the regular one's. h(s) = (s + sqrt(s^2 + 4 delta^2)) / 2 keeps kappa finite where det S <= 0.
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


@compiled("(f8[:,::1], i8[::1], f8[::1], i4[:,::1], i8[::1], i4[::1], f8[:,::1], f8, i8)", parallel=False)
def _descend(points, nodes, limit, tets, start, incident, inverse, delta, sweeps):  # type: ignore[no-untyped-def]
    """Move each node down the gradient of its energy with backtracking; Gauss-Seidel, `sweeps` times over all nodes.

    Node i stays within limit[i] of where it was before the first sweep.
    """
    origin = points[nodes].copy()
    gradient, trial_gradient, trial = np.empty(3), np.empty(3), np.empty(3)
    for _ in range(sweeps):
        for i in range(len(nodes)):
            node = nodes[i]
            if limit[i] <= 0.0:
                continue
            t = incident[start[node]]
            other = tets[t, 0] if tets[t, 0] != node else tets[t, 1]
            edge2 = 0.0
            for r in range(3):
                edge2 += (points[other, r] - points[node, r]) ** 2
            step = FIRST_STEP * np.sqrt(edge2)
            energy = _node_energy(points, node, points[node], tets, start, incident, inverse, delta, gradient)
            for _ in range(TRIALS):
                norm = np.sqrt(gradient[0] ** 2 + gradient[1] ** 2 + gradient[2] ** 2)
                if norm < LEAST_GRADIENT or step < LEAST_STEP_MM:
                    break
                strayed2 = 0.0
                for r in range(3):
                    trial[r] = points[node, r] - step * gradient[r] / norm
                    strayed2 += (trial[r] - origin[i, r]) ** 2
                value = np.inf
                if strayed2 <= limit[i] * limit[i]:
                    value = _node_energy(points, node, trial, tets, start, incident, inverse, delta, trial_gradient)
                if value < energy:
                    energy = value
                    for r in range(3):  # an assignment of the whole row takes 1.6 s longer to compile
                        points[node, r] = trial[r]
                        gradient[r] = trial_gradient[r]
                    step *= STEP_GROWTH
                else:
                    step *= STEP_SHRINKAGE


def energy_delta(volume: Floats, regularisation: float = REGULARISATION) -> float:
    """Return delta of the energy for a mesh whose tetrahedra have these volumes (m,), mm³.

    `regularisation` is relative to the median element. Small values suit a sound mesh. Larger ones (0.1) give the
    energy of a tangled mesh a slope out of the tangle.
    """
    return float(regularisation * 6.0 * np.median(np.abs(volume)) * np.linalg.det(_INVERSE_IDEAL))


def relax(
    points: Floats,
    tets: Ints,
    incidence: Incidence,
    nodes: Ints,
    limit_mm: Floats,
    delta: float,
    sweeps: int = SWEEPS,
) -> None:
    """Move nodes in place towards better-shaped tetrahedra.

    Parameters
    ----------
    points
        (n, 3) float64, mm; changed in place.
    tets
        (m, 4) int32.
    incidence
        The tetrahedra around each node.
    nodes
        (k,) ids of the nodes that may move; they move one after the other, in this order.
    limit_mm
        (k,) mm: how far each of them may move.
    delta
        Delta of the energy, from `energy_delta`.
    sweeps
        How often all nodes move.
    """
    _descend(
        points, nodes.astype(np.int64), limit_mm, tets, incidence.start, incidence.tets, _INVERSE_IDEAL, delta, sweeps
    )

"""Relaxation of tetrahedral meshes: move nodes so that poor or inverted tetrahedra regain a good shape.

The method is local: one node after the other descends an energy of the tetrahedra around it. The energy is regularised,
so that it is finite and has a slope on inverted tetrahedra too: untangling and smoothing are one minimisation (Escobar
et al., Comput. Methods Appl. Mech. Engrg. 192, 2003).
"""

from __future__ import annotations

import numpy as np

from models.compiled import compiled
from models.types import Floats, Integers, Ints
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
DETERMINANT = np.sqrt(2.0)
"""Determinant of the edge matrix of a tetrahedron times the inverse of the regular one's, over six times its volume."""
CUBE_ROOT_SEED, NEWTON_STEPS = 0x54A2FA8C, 3
"""First guess of x^(-1/3): these bits less a third of the bits of x (float32). It is within 4 %; each step of Newton's
method takes the relative error e to 2 e^2, so three leave 7e-10."""
CONE_ROWS = 8
"""Numbers that `_cones` writes a tetrahedron."""


@compiled(parallel=False, fastmath=True, error_model="numpy")
def _cones(points, node, tets, start, incident, cones):  # type: ignore[no-untyped-def]
    """Write to `cones` (`CONE_ROWS`, k) the tetrahedra around a node, as functions of how far it moves; return k.

    S is the edge matrix of a tetrahedron times the inverse of the regular one's, y (3,) the move. det S is row 3 less
    rows 0 to 2 times y. |S|^2 is half the sum of the squared edges: row 7 less rows 4 to 6 times y plus 1.5 |y|^2.
    """
    x, y, z = points[node, 0], points[node, 1], points[node, 2]
    count = start[node + 1] - start[node]
    for k in range(count):
        t = incident[start[node] + k]
        i, j, l = tets[t, 1], tets[t, 2], tets[t, 3]
        if i == node:  # an even permutation puts the node first
            i, j, l = tets[t, 0], tets[t, 3], tets[t, 2]
        elif j == node:
            i, j, l = tets[t, 3], tets[t, 0], tets[t, 1]
        elif l == node:
            i, j, l = tets[t, 2], tets[t, 1], tets[t, 0]
        a0, a1, a2 = points[i, 0] - x, points[i, 1] - y, points[i, 2] - z
        b0, b1, b2 = points[j, 0] - x, points[j, 1] - y, points[j, 2] - z
        c0, c1, c2 = points[l, 0] - x, points[l, 1] - y, points[l, 2] - z
        u0, u1, u2 = b0 - a0, b1 - a1, b2 - a2
        v0, v1, v2 = c0 - a0, c1 - a1, c2 - a2
        w0, w1, w2 = c0 - b0, c1 - b1, c2 - b2
        n0, n1, n2 = u1 * v2 - u2 * v1, u2 * v0 - u0 * v2, u0 * v1 - u1 * v0
        cones[0, k], cones[1, k], cones[2, k] = DETERMINANT * n0, DETERMINANT * n1, DETERMINANT * n2
        cones[3, k] = DETERMINANT * (n0 * a0 + n1 * a1 + n2 * a2)
        cones[4, k], cones[5, k], cones[6, k] = a0 + b0 + c0, a1 + b1 + c1, a2 + b2 + c2
        cones[7, k] = 0.5 * (
            a0 * a0 + a1 * a1 + a2 * a2 + b0 * b0 + b1 * b1 + b2 * b2 + c0 * c0 + c1 * c1 + c2 * c2
            + u0 * u0 + u1 * u1 + u2 * u2 + v0 * v0 + v1 * v1 + v2 * v2 + w0 * w0 + w1 * w1 + w2 * w2
        )  # fmt: skip
    return count


@compiled(parallel=False, fastmath=True, error_model="numpy")
def _energy(cones, count, y0, y1, y2, delta):  # type: ignore[no-untyped-def]
    """Return the energy of the tetrahedra around a node that has moved by y, and its gradient.

    The energy is the sum of kappa^2, with kappa = |S|^2 / (3 h(det S)^(2/3)). h(s) = (s + sqrt(s^2 + 4 delta^2)) / 2
    keeps kappa finite where det S <= 0; h'(s) / h(s) = 1 / sqrt(s^2 + 4 delta^2). The loop runs on vector registers.
    """
    energy, g0, g1, g2 = 0.0, 0.0, 0.0, 0.0
    moved2 = y0 * y0 + y1 * y1 + y2 * y2
    for k in range(count):
        det = cones[3, k] - cones[0, k] * y0 - cones[1, k] * y1 - cones[2, k] * y2
        norm2 = cones[7, k] - cones[4, k] * y0 - cones[5, k] * y1 - cones[6, k] * y2 + 1.5 * moved2
        root = np.sqrt(det * det + 4.0 * delta * delta)
        h = 0.5 * (det + root)
        r = np.float64(np.int32(CUBE_ROOT_SEED - np.float32(h).view(np.int32) * (1.0 / 3.0)).view(np.float32))
        for _ in range(NEWTON_STEPS):
            r *= (4.0 - h * r * r * r) * (1.0 / 3.0)
        kappa2 = norm2 * norm2 * (r * r * r * r) * (1.0 / 9.0)
        energy += kappa2
        by_norm, by_det = 2.0 * kappa2 / norm2, (4.0 / 3.0) * kappa2 / root
        g0 += by_norm * (3.0 * y0 - cones[4, k]) + by_det * cones[0, k]
        g1 += by_norm * (3.0 * y1 - cones[5, k]) + by_det * cones[1, k]
        g2 += by_norm * (3.0 * y2 - cones[6, k]) + by_det * cones[2, k]
    return energy, g0, g1, g2


@compiled(parallel=False, fastmath=True, error_model="numpy")
def _lowered(cones, count, step, strayed, limit, delta):  # type: ignore[no-untyped-def]
    """Return the move (3,) of a node that has strayed (3,) so far: down the gradient, with backtracking."""
    y0, y1, y2 = 0.0, 0.0, 0.0
    energy, g0, g1, g2 = _energy(cones, count, y0, y1, y2, delta)
    for _ in range(TRIALS):
        norm = np.sqrt(g0 * g0 + g1 * g1 + g2 * g2)
        if norm < LEAST_GRADIENT or step < LEAST_STEP_MM:
            break
        x0, x1, x2 = y0 - step * g0 / norm, y1 - step * g1 / norm, y2 - step * g2 / norm
        lower = False
        if (strayed[0] + x0) ** 2 + (strayed[1] + x1) ** 2 + (strayed[2] + x2) ** 2 <= limit * limit:
            value, h0, h1, h2 = _energy(cones, count, x0, x1, x2, delta)
            if value < energy:
                lower = True
                energy, g0, g1, g2, y0, y1, y2 = value, h0, h1, h2, x0, x1, x2
        step *= STEP_GROWTH if lower else STEP_SHRINKAGE
    return y0, y1, y2


@compiled("(f8[:,::1], i8[::1], f8[::1], i4[:,::1], i8[::1], i4[::1], f8, i8)", parallel=False)
def _descend(points, nodes, limit, tets, start, incident, delta, sweeps):  # type: ignore[no-untyped-def]
    """Move each node down the gradient of its energy; Gauss-Seidel, `sweeps` times over all nodes.

    Node i stays within limit[i] of where it was before the first sweep.
    """
    origin = points[nodes].copy()
    widest = 0
    for node in nodes:
        widest = max(widest, start[node + 1] - start[node])
    cones, strayed = np.empty((CONE_ROWS, widest)), np.empty(3)
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
                strayed[r] = points[node, r] - origin[i, r]
            count = _cones(points, node, tets, start, incident, cones)
            y0, y1, y2 = _lowered(cones, count, FIRST_STEP * np.sqrt(edge2), strayed, limit[i], delta)
            points[node, 0] += y0
            points[node, 1] += y1
            points[node, 2] += y2


def energy_delta(volume: Floats, regularisation: float = REGULARISATION) -> float:
    """Return delta of the energy for a mesh whose tetrahedra have these volumes (m,), mm³.

    `regularisation` is relative to the median element. Small values suit a sound mesh. Larger ones (0.1) give the
    energy of a tangled mesh a slope out of the tangle.
    """
    return float(regularisation * 6.0 * np.median(np.abs(volume)) * DETERMINANT)


def relax(
    points: Floats,
    tets: Ints,
    incidence: Incidence,
    nodes: Integers,
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
    _descend(points, nodes.astype(np.int64), limit_mm, tets, incidence.start, incidence.tets, delta, sweeps)

"""Equilibrium of a nodal stress field: an error estimate without a solve."""

from __future__ import annotations

import numba as nb
import numpy as np

from models.compiled import compiled
from models.types import Bools, Floats
from workers.fem.linear_tetrahedra import shape_gradients
from workers.fem.sparsity import SparsityPattern


@compiled("(f8[:,::1], f8[:,:,::1], f8[::1], i4[:,::1], i8[::1], i4[::1])")
def _internal_force(tensor, gradient, volume, tets, start, incident):  # type: ignore[no-untyped-def]
    """Internal nodal forces (n, 3), N; the stress of an element is the mean of its corners."""
    out = np.zeros((len(start) - 1, 3))
    for node in nb.prange(len(start) - 1):
        for k in range(start[node], start[node + 1]):
            t = incident[k]
            a = 0
            while tets[t, a] != node:
                a += 1
            s = np.zeros(6)
            for corner in range(4):
                for c in range(6):
                    s[c] += 0.25 * tensor[tets[t, corner], c]
            x, y, z = gradient[t, a]
            v = volume[t]
            out[node, 0] += v * (s[0] * x + s[3] * y + s[5] * z)
            out[node, 1] += v * (s[3] * x + s[1] * y + s[4] * z)
            out[node, 2] += v * (s[5] * x + s[4] * y + s[2] * z)
    return out


def equilibrium_residual(
    points: Floats, tensor: Floats, force: Floats, pattern: SparsityPattern, fixed: Bools
) -> float:
    """Return the unbalanced forces at the free nodes over the load: sum |f_int - f_ext| / |sum f_ext|, no unit.

    The residual of the solution does not vanish either, since the stress is averaged at the nodes. So the number needs
    a calibration (`workers.surrogate.expected_error`).

    Parameters
    ----------
    points
        (n, 3) float64, mm.
    tensor
        (n, 6) float64, MPa, nodal stress.
    force
        (n, 3) float64, N, applied nodal forces.
    pattern
        Of the mesh's connectivity.
    fixed
        (n,) bool: Dirichlet nodes; they are left out.
    """
    gradient, volume = shape_gradients(points, pattern.tets)
    incidence = pattern.incidence
    internal = _internal_force(tensor, gradient, volume, pattern.tets, incidence.start, incidence.tets)
    left = np.linalg.norm(internal - force, axis=1)[~fixed].sum()
    return float(left / np.linalg.norm(force.sum(axis=0)))

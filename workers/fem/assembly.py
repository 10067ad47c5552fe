"""Assembly of the stiffness matrix of linear tetrahedra, isotropic linear elasticity."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
import scipy.sparse

from models.compiled import compiled
from models.types import Floats
from workers.fem.material import Material
from workers.fem.sparsity import SparsityPattern


@compiled("(f8[:,:,::1], f8[::1], i8[::1], i4[::1], i4[:,::1], i4[:,:,::1], i8, f8, f8)")
def _add_up(gradient, volume, start, incident, tets, slots, n_blocks, lam, mu):  # type: ignore[no-untyped-def]
    """Add up the blocks of each node's row: K_ab = V (lam g_a g_b' + mu g_b g_a' + mu g_a.g_b I).

    g_a is the gradient of the shape function of corner a. No two threads write one row.
    """
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


def assemble_stiffness(pattern: SparsityPattern, gradient: Floats, volume: Floats, material: Material) -> Any:
    """Return the (3n, 3n) stiffness matrix, N/mm, as `scipy.sparse.bsr_array` with 3x3 blocks.

    Parameters
    ----------
    pattern
        Of the mesh.
    gradient, volume
        (m, 4, 3) 1/mm and (m,) mm^3, from `shape_gradients`.
    material
        Isotropic linear elasticity, of the same m elements.
    """
    lam, mu = material.lame
    data = _add_up(
        gradient,
        material.stiffened(volume),
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

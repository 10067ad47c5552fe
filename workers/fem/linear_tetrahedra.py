"""Linear (constant-strain) tetrahedra: shape function gradients and stress."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from models.compiled import compiled
from models.types import Floats, Ints, Reals
from workers.fem.material import Material


@compiled(
    "(f8[:,::1], i4[:,::1], f8[:,:,::1], f8[::1])",
    "(f8[:,::1], i4[:,::1], f4[:,:,::1], f4[::1])",
)
def _gradients(points, tets, gradient, volume):  # type: ignore[no-untyped-def]
    """Write the gradients of the four shape functions (m, 4, 3), 1/mm, and the signed volumes (m,), mm^3."""
    for t in nb.prange(tets.shape[0]):
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
        reciprocal = 1.0 / six
        for r in range(3):
            total = 0.0
            for k in range(3):
                gradient[t, k + 1, r] = c[k, r] * reciprocal
                total += gradient[t, k + 1, r]
            gradient[t, 0, r] = -total


def shape_gradients(points: Floats, tets: Ints, dtype: type = np.float64) -> tuple[Any, Any]:
    """Return shape function gradients (m, 4, 3) in 1/mm and signed element volumes (m,) in mm^3.

    Parameters
    ----------
    points
        (n, 3) float64, mm.
    tets
        (m, 4) int32.
    dtype
        Of the result; the arithmetic is float64.
    """
    gradient: Any = np.empty((len(tets), 4, 3), dtype)
    volume: Any = np.empty(len(tets), dtype)
    _gradients(np.ascontiguousarray(points, np.float64), tets, gradient, volume)
    return gradient, volume


@compiled("(f8[:,::1], f8[:,:,::1], i4[:,::1], f8, f8)", "(f8[:,::1], f4[:,:,::1], i4[:,::1], f8, f8)")
def _element_stress(displacement, gradient, tets, lam, mu):  # type: ignore[no-untyped-def]
    """Stress (m, 6) of the displacement gradient g[r, c] = du_r / dx_c on each element, by Hooke's law.

    The shape functions add up to one, so the displacement of corner 0 may be taken off: gradients in float32 then do.
    """
    stress = np.empty((tets.shape[0], 6))
    for t in nb.prange(tets.shape[0]):
        g = np.zeros((3, 3))
        for a in range(1, 4):
            for r in range(3):
                change = displacement[tets[t, a], r] - displacement[tets[t, 0], r]
                for c in range(3):
                    g[r, c] += change * gradient[t, a, c]
        trace = lam * (g[0, 0] + g[1, 1] + g[2, 2])
        for r in range(3):
            stress[t, r] = trace + 2.0 * mu * g[r, r]
        stress[t, 3] = mu * (g[0, 1] + g[1, 0])
        stress[t, 4] = mu * (g[1, 2] + g[2, 1])
        stress[t, 5] = mu * (g[2, 0] + g[0, 2])
    return stress


def element_stress(displacement: Floats, gradient: Reals, tets: Ints, material: Material) -> Floats:
    """Return the constant stress of each element, (m, 6) MPa: xx, yy, zz, xy, yz, zx.

    Parameters
    ----------
    displacement
        (n, 3) float64, mm.
    gradient
        (m, 4, 3) float64, 1/mm, from `shape_gradients`.
    tets
        (m, 4) int32.
    material
        Isotropic linear elasticity, of the same m elements.
    """
    lam, mu = material.lame
    stress: Floats = _element_stress(displacement, gradient, tets, lam, mu)
    if material.grade is not None:
        stress *= material.grade[:, None]
    return stress


def internal_forces(displacement: Floats, elements: tuple[Reals, Reals], tets: Ints, material: Material) -> Floats:
    """Return what the elements' stresses pull at each node (n, 3), N.

    Parameters
    ----------
    elements
        Gradients and volumes of the m elements, from `shape_gradients`.
    displacement, tets, material
        As of `element_stress`.
    """
    gradient, volume = elements
    xx, yy, zz, xy, yz, zx = (element_stress(displacement, gradient, tets, material) * volume[:, None]).T
    tensor = np.stack([np.stack([xx, xy, zx]), np.stack([xy, yy, yz]), np.stack([zx, yz, zz])])
    force = np.zeros_like(displacement)
    for corner in range(4):
        pull = np.einsum("ijt,tj->ti", tensor, gradient[:, corner])
        for axis in range(3):
            force[:, axis] += np.bincount(tets[:, corner], pull[:, axis], minlength=len(displacement))
    return force

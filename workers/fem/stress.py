"""Measures of a stress tensor: principal stresses and von Mises stress."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def principal_stresses(tensor: Floats) -> Floats:
    """Return s1 >= s2 >= s3 (n, 3) of symmetric tensors (n, 6): xx, yy, zz, xy, yz, zx; any unit."""
    full = tensor[:, [0, 3, 5, 3, 1, 4, 5, 4, 2]].reshape(-1, 3, 3)
    return np.ascontiguousarray(np.linalg.eigvalsh(full)[:, ::-1])


def von_mises(tensor: Floats) -> Floats:
    """Return the von Mises stress (n,) of tensors (n, 6): xx, yy, zz, xy, yz, zx; the unit of the tensor."""
    xx, yy, zz, xy, yz, zx = tensor.T
    squared: Floats = 0.5 * ((xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2) + 3.0 * (xy**2 + yz**2 + zx**2)
    return np.sqrt(squared)

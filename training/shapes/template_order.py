"""The order of the template's nodes and elements: along a space-filling curve, for caches and small files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.types import Floats, Ints

BITS = 20
"""Bits of a coordinate in the Morton code: steps of about 0.0001 mm on a vertebra."""


def order_mesh(nodes: Floats, tets: Ints, triangles: Ints, n_surface: int) -> tuple[Floats, Ints, Ints]:
    """Order nodes along a space-filling curve, surface nodes first, and elements by their first node.

    Parameters
    ----------
    nodes
        (n, 3) mm, surface nodes first.
    tets, triangles
        (m, 4) and (t, 3) int32; their orientation is kept.
    n_surface
        Number of surface nodes.
    """
    code = _morton_code(nodes)
    order = np.concatenate([np.argsort(code[:n_surface]), n_surface + np.argsort(code[n_surface:])])
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return nodes[order], _order_tets(rank[tets]), _order_triangles(rank[triangles])


def _order_tets(tets: Ints) -> Ints:
    """Permute each row evenly so that its least index is first and the least of the others second; sort the rows."""
    to_front = np.array([[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]])
    rows = np.take_along_axis(tets, to_front[tets.argmin(axis=1)], axis=1)
    rotate_rest = np.array([[0, 1, 2, 3], [0, 2, 3, 1], [0, 3, 1, 2]])
    return _sort_rows(np.take_along_axis(rows, rotate_rest[rows[:, 1:].argmin(axis=1)], axis=1))


def _order_triangles(triangles: Ints) -> Ints:
    """Rotate each row so that its least index is first; sort the rows."""
    to_front = np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1]])
    return _sort_rows(np.take_along_axis(triangles, to_front[triangles.argmin(axis=1)], axis=1))


def _sort_rows(rows: Ints) -> Ints:
    return np.ascontiguousarray(rows[np.lexsort(rows.T[::-1])].astype(np.int32))


def _morton_code(points: Floats) -> NDArray[np.uint64]:
    """Return the Morton code of each point on a grid of 2^`BITS` steps along the longest side of their bounding box."""
    low = points.min(axis=0)
    grid = ((points - low) / np.ptp(points, axis=0).max() * (2**BITS - 1)).astype(np.uint64)
    code = np.zeros(len(points), np.uint64)
    for bit in range(BITS):
        for axis in range(3):
            code |= ((grid[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return code

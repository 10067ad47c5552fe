"""Moduli of the published L2 with its CT read at more and at fewer points of an element: part of `bench.bone`."""

from __future__ import annotations

import numpy as np

from models.types import Floats, Ints
from workers.bone.laws import young_modulus
from workers.bone.sampling import sample_tetrahedra
from workers.engine import Engine
from workers.imaging.volume import Volume

EDGES = np.array([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]])
EIGHT = np.array(
    [
        [0, 4, 5, 6],
        [4, 1, 7, 8],
        [5, 7, 2, 9],
        [6, 8, 9, 3],
        [4, 5, 6, 8],
        [4, 5, 8, 7],
        [9, 5, 7, 8],
        [9, 5, 8, 6],
    ]
)
"""A tetrahedron in eight: corners 0 to 3, then the middles of `EDGES`."""


def moduli(engine: Engine, points: Floats, density: Volume) -> dict[str, Floats]:
    """Return Young's moduli (m,), MPa: that of the mean density, and means over 4 and over 32 points."""
    inverse = np.linalg.inv(density.affine)
    at = np.ascontiguousarray(engine.bone_sampler.inside(points, density) @ inverse[:3, :3].T + inverse[:3, 3])
    tets = engine.template.tets
    four = sample_tetrahedra(density.voxels, at, tets)
    thirty_two = np.zeros(len(tets))
    for part in EIGHT:
        corners = _corners(at, tets, part)
        own = np.arange(4 * len(tets), dtype=np.int32).reshape(-1, 4)
        sampled = sample_tetrahedra(density.voxels, corners.reshape(-1, 3), own)
        thirty_two += young_modulus("kopperdahl_2002", sampled).mean(axis=1, dtype=np.float64) / len(EIGHT)
    return {
        "1": young_modulus("kopperdahl_2002", four.mean(axis=1, keepdims=True))[:, 0].astype(np.float64),
        "4": young_modulus("kopperdahl_2002", four).mean(axis=1, dtype=np.float64),
        "32": thirty_two,
    }


def _corners(at: Floats, tets: Ints, part: Ints) -> Floats:
    """Return the corners (m, 4, 3) of one of eight parts of each tetrahedron."""
    corners = at[tets]
    middles = corners[:, EDGES].mean(axis=2)
    return np.ascontiguousarray(np.concatenate([corners, middles], axis=1)[:, part])

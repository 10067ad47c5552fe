"""Meshes of the unit cube and the exact linear-elastic answers that tests compare with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from models.template import Template
from models.types import Floats, Ints
from tests.workers.geometry.meshes import SIX_TETS
from workers.fem.material import Material


def structured_cube(cells: int, size: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> tuple[Floats, Ints]:
    """`cells` cubes an edge, six tetrahedra each, all around the same diagonal."""
    line = np.linspace(0.0, 1.0, cells + 1)
    points = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3) * size
    ids = np.arange(len(points)).reshape(3 * (cells + 1,))
    corners = [ids[i : i - 1 or None, j : j - 1 or None, k : k - 1 or None] for i, j, k in np.ndindex(2, 2, 2)]
    corner = np.stack(corners, axis=-1).reshape(-1, 8)
    return points, np.concatenate([corner[:, list(tet)] for tet in SIX_TETS]).astype(np.int32)


def irregular_cube(cells: int, seed: int = 0) -> tuple[Floats, Ints]:
    """A Delaunay mesh of jittered grid points that keep to their faces and edges of the unit cube."""
    line = np.linspace(0.0, 1.0, cells + 1)
    points = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    jitter = np.random.default_rng(seed).uniform(-0.28, 0.28, points.shape) / cells
    points = points + np.where((points == 0.0) | (points == 1.0), 0.0, jitter)
    tets = Delaunay(points).simplices.astype(np.int32)
    volume = signed_volumes(points, tets)
    tets[volume < 0.0] = tets[volume < 0.0][:, [0, 2, 1, 3]]
    tets = tets[np.abs(volume) > 1e-12]  # flat ones on the cube's faces: nothing is missing without them
    assert abs(signed_volumes(points, tets).sum() - 1.0) < 1e-12
    return points, np.ascontiguousarray(tets)


def signed_volumes(points: Floats, tets: Ints) -> Floats:
    a, b, c, d = (points[tets[:, i]] for i in range(4))
    return np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) / 6.0


def on_boundary(points: Floats) -> NDArray[np.intp]:
    """Nodes on the surface of the unit cube."""
    return np.flatnonzero(((points == 0.0) | (points == 1.0)).any(axis=1))


def outer_triangles(tets: Ints) -> Ints:
    """The faces that only one tetrahedron has, oriented outward."""
    faces = np.concatenate([tets[:, f] for f in ([1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1])])
    _, first, count = np.unique(np.sort(faces, axis=1), axis=0, return_index=True, return_counts=True)
    return faces[first[count == 1]]


GRADIENT = np.array([[2e-3, -7e-3, 1e-3], [5e-3, -3e-3, 4e-3], [-2e-3, 6e-3, 8e-3]])
"""A displacement gradient with all six strains and a rotation."""
SKEW = np.array([[0.0, -0.3, 0.2], [0.3, 0.0, -0.1], [-0.2, 0.1, 0.0]])


def strain_of(gradient: Floats) -> Floats:
    """Strain (3, 3) of a displacement gradient (3, 3)."""
    return 0.5 * (gradient + gradient.T)


def hooke(strain: Floats, material: Material) -> Floats:
    """Stress (..., 3, 3) of strains (..., 3, 3), written with E and nu rather than with Lame's constants."""
    e, nu = material.young_mpa, material.poisson
    trace = np.trace(strain, axis1=-2, axis2=-1)[..., None, None] * np.eye(3)
    return e / (1.0 + nu) * (strain + nu / (1.0 - 2.0 * nu) * trace)


def six(tensor: Floats) -> Floats:
    """(..., 3, 3) to (..., 6): xx, yy, zz, xy, yz, zx."""
    return tensor[..., [0, 1, 2, 0, 1, 2], [0, 1, 2, 1, 2, 0]]


def block_template(cells: int = 6, size: tuple[float, float, float] = (30.0, 24.0, 20.0)) -> Template:
    """A box, surface nodes first, its top loaded and its bottom clamped."""
    points, tets = structured_cube(cells, size)
    outer = outer_triangles(tets)
    surface = np.unique(outer)
    order = np.concatenate([surface, np.setdiff1d(np.arange(len(points)), surface)])
    rank = np.empty(len(points), np.int32)
    rank[order] = np.arange(len(points), dtype=np.int32)
    points, tets, outer = points[order], rank[tets], rank[outer]
    height = points[outer, 2]
    return Template(
        nodes=points,
        tets=tets,
        triangles=outer,
        n_surface=len(surface),
        region=np.zeros(len(points), np.uint8),
        superior=outer[(height == size[2]).all(axis=1)],
        inferior=outer[(height == 0.0).all(axis=1)],
    )

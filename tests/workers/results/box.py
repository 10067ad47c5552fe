"""A box of tetrahedra, 24 x 18 x 12 mm, layers thinner towards the top, with a field that is known in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.template import Template
from workers.fem.field import StressField
from workers.results.stressed_mesh import StressedMesh

SIZE = (24.0, 18.0, 12.0)
ORIGIN = np.array([-110.0, 35.0, 640.0])


def box_template() -> Template:
    x, y = np.linspace(0, SIZE[0], 9), np.linspace(0, SIZE[1], 7)
    z = SIZE[2] * (1 - np.linspace(1, 0, 8) ** 2)  # graded: many thin layers at the top
    grid = np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1)
    ids = np.arange(grid[..., 0].size).reshape(grid.shape[:3])
    nodes = grid.reshape(-1, 3)
    corner = np.stack(
        [ids[i : i - 1 or None, j : j - 1 or None, k : k - 1 or None] for i in (0, 1) for j in (0, 1) for k in (0, 1)],
        axis=-1,
    ).reshape(-1, 8)
    six = [(0, 4, 6, 7), (0, 6, 2, 7), (0, 2, 3, 7), (0, 3, 1, 7), (0, 1, 5, 7), (0, 5, 4, 7)]
    tets = np.concatenate([corner[:, list(tet)] for tet in six])
    faces = np.concatenate([tets[:, f] for f in ([1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1])])
    _, first, count = np.unique(np.sort(faces, axis=1), axis=0, return_index=True, return_counts=True)
    outer = faces[first[count == 1]]
    surface = np.unique(outer)
    order = np.concatenate([surface, np.setdiff1d(np.arange(len(nodes)), surface)])
    new = np.empty(len(nodes), np.int32)
    new[order] = np.arange(len(nodes), dtype=np.int32)
    nodes, tets, outer = nodes[order], new[tets], new[outer]
    height = nodes[:, 2][outer]
    region = np.where(nodes[:, 1] < 6.0, 5, 0).astype(np.uint8)
    region[np.unique(outer[(height == SIZE[2]).all(axis=1)])] = 1
    region[np.unique(outer[(height == 0).all(axis=1)])] = 2
    return Template(
        nodes=nodes,
        tets=tets,
        triangles=outer,
        n_surface=len(surface),
        region=region,
        superior=outer[(height == SIZE[2]).all(axis=1)],
        inferior=outer[(height == 0).all(axis=1)],
    )


def stress_of(von_mises: NDArray[np.float64], displacement: NDArray[np.float64] | None = None) -> StressField:
    """Uniaxial compression of the given size: s1 = s2 = 0, s3 = -von Mises."""
    n = len(von_mises)
    principal = np.zeros((n, 3))
    principal[:, 2] = -von_mises
    tensor = np.zeros((n, 6))
    tensor[:, 2] = -von_mises
    return StressField(tensor, principal, von_mises, displacement)


def stressed_box(field: StressField) -> StressedMesh:
    template = box_template()
    return StressedMesh(template, template.nodes + ORIGIN, field)

"""A box with a fine mesh and a coarse one, as the template has them."""

from __future__ import annotations

import numpy as np

from models.coarse_mesh import CoarseMesh, barycentric
from models.template import Template
from models.types import Floats, Ints
from tests.workers.fem.meshes import block_template


def hosts(nodes: Floats, tets: Ints, points: Floats) -> Ints:
    """The tetrahedron that holds each point, or is closest: its least barycentric coordinate is the largest."""
    found = [barycentric(nodes, tets, np.tile(point, (len(tets), 1))).min(axis=1).argmax() for point in points]
    return np.array(found, np.int32)


def coarse_mesh(fine: Template, coarse: Template) -> CoarseMesh:
    return CoarseMesh(
        coarse.nodes,
        coarse.tets,
        coarse.fixed_nodes,
        hosts(fine.nodes, fine.tets, coarse.nodes),
        hosts(fine.nodes, fine.tets, coarse.nodes[coarse.tets].mean(axis=1)),
        hosts(coarse.nodes, coarse.tets, fine.nodes),
    )


FINE = block_template(cells=8)
COARSE = coarse_mesh(FINE, block_template(cells=3))


def bent(points: Floats) -> Floats:
    x, y, z = points.T
    return np.stack([x + 0.02 * z**2, y + 0.1 * z, z * (1.0 + 0.01 * x)], axis=1)

"""The template's coarse mesh as a body of its own, for trials that a small mesh is enough for."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from bench.refined_mesh import Body, outer_triangles
from models.types import Floats
from workers.bone.elements import ElementBone
from workers.engine import Engine
from workers.geometry.tetrahedra import nodal_volumes, tet_volumes


def coarse_body(engine: Engine, points: Floats) -> Body:
    """Return the template's coarse mesh, moved by the best affine fit of the template to a subject's mesh (n, 3), mm.

    So no element turns over. Carried along with the template's own elements, some do.
    """
    coarse, template = engine.bundle.tangent.coarse, engine.template

    def with_one(nodes: Floats) -> Floats:
        return np.concatenate([nodes, np.ones((len(nodes), 1))], axis=1)

    at = with_one(coarse.nodes) @ np.linalg.lstsq(with_one(template.nodes), points)[0]
    outer = outer_triangles(coarse.tets)
    nearest = cKDTree(template.nodes[: template.n_surface]).query(coarse.nodes)[1]
    above, below = np.isin(nearest, template.loaded_nodes), np.isin(np.arange(len(at)), coarse.fixed)
    return Body(at, coarse.tets, outer[above[outer].all(axis=1)], outer[below[outer].all(axis=1)])


def coarse_moduli(engine: Engine, points: Floats, bone: ElementBone) -> Floats:
    """Return the moduli (e,), MPa, of the coarse elements: the mean of the nodes in each, by volume."""
    coarse, template = engine.bundle.tangent.coarse, engine.template
    volume, around = nodal_volumes(points, template.tets), np.zeros(len(points))
    np.add.at(around, template.tets, (tet_volumes(points, template.tets) * bone.young_mpa / 4.0)[:, None])
    share, total = (np.bincount(coarse.host, of_nodes, len(coarse.tets)) for of_nodes in (around, volume))
    return np.where(total > 0.0, share / np.where(total > 0.0, total, 1.0), bone.young_mpa[coarse.tet_host])

"""The coarse mesh of the template that the tangent surrogate solves on."""

from __future__ import annotations

import numpy as np
import pyacvd
import pyvista as pv
import tetgen
from scipy.spatial import cKDTree

from models.coarse_mesh import CoarseMesh
from models.template import Template
from models.types import Floats, Ints
from workers.geometry.tetrahedra import mean_ratio


def build_coarse_mesh(template: Template, n_surface: int, max_volume_mm3: float) -> CoarseMesh:
    """Return a coarse mesh whose `n_surface` surface nodes are nodes of the template.

    Parameters
    ----------
    template
        The fine mesh.
    n_surface
        Number of surface nodes.
    max_volume_mm3
        Largest volume of a tetrahedron.

    Raises
    ------
    RuntimeError
        The coarse surface is not closed, uses a node of the template twice or intersects itself: take another
        `n_surface`.
    """
    surface = template.nodes[: template.n_surface]
    clustering = pyacvd.Clustering(pv.PolyData.from_regular_faces(surface, template.triangles))
    clustering.cluster(n_surface)
    mesh = clustering.create_mesh()
    chosen = cKDTree(surface).query(np.asarray(mesh.points))[1].astype(np.int32)
    if len(np.unique(chosen)) != n_surface or mesh.n_open_edges:
        raise RuntimeError(
            f"the coarse surface of {n_surface} nodes is not closed or uses a node twice: take another number of nodes"
        )
    generator = tetgen.TetGen(pv.PolyData.from_regular_faces(surface[chosen], mesh.regular_faces))
    generator.tetrahedralize(switches=f"pYq1.2/18a{max_volume_mm3}Q")
    nodes = np.array(generator.grid.points, np.float64)
    tets = np.ascontiguousarray(generator.grid.cells_dict[10].astype(np.int32))
    inverted = mean_ratio(nodes, tets)[1] < 0.0
    tets[inverted] = tets[inverted][:, [0, 2, 1, 3]]
    return CoarseMesh(
        nodes=nodes,
        tets=tets,
        fixed=np.flatnonzero(np.isin(chosen, template.fixed_nodes)).astype(np.int32),
        node_host=_host_tets(template.nodes, template.tets, nodes),
        tet_host=_host_tets(template.nodes, template.tets, nodes[tets].mean(axis=1)),
        host=_host_tets(nodes, tets, template.nodes),
    )


def _host_tets(nodes: Floats, tets: Ints, points: Floats) -> Ints:
    """Return the tetrahedron that holds each point, or the closest one."""
    grid = pv.UnstructuredGrid({pv.CellType.TETRA: tets}, nodes)
    host = np.asarray(grid.find_containing_cell(points))
    outside = host < 0
    if outside.any():
        host[outside] = grid.find_closest_cell(points[outside])
    return host.astype(np.int32)

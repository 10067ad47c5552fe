"""The template's mesh: an evenly remeshed surface, filled with tetrahedra."""

from __future__ import annotations

import numpy as np
import pyacvd
import pyvista as pv
import tetgen

from models.types import Floats, Ints
from workers.geometry.incidence import Incidence
from workers.geometry.relaxation import energy_delta, relax
from workers.geometry.surface import Surface
from workers.geometry.tetrahedra import mean_ratio

N_SURFACE = 23_528
"""Surface nodes of the paper's reference model."""
MAX_TET_VOLUME_MM3 = 0.155
"""Gives about 120 k nodes and 670 k tetrahedra, edges 0.96 mm on average."""
INTERNAL_LIMIT_MM, SURFACE_LIMIT_MM = 0.5, 0.12
"""How far one relaxation may move an internal node, and a surface node: an eighth of an edge keeps the form."""
SWEEPS = 4
REPAIR_ROUNDS = 5
POOR_MEAN_RATIO = 0.4
"""Tetrahedra below it are relaxed again, the surface nodes among theirs too."""


def remesh(surface: Surface) -> Surface:
    """Return the surface subdivided (Loop) and resampled to `N_SURFACE` evenly spread vertices.

    Raises
    ------
    RuntimeError
        The resampled surface is not closed or has another number of vertices.
    """
    smooth = pv.PolyData.from_regular_faces(surface.vertices, surface.triangles).subdivide(2, "loop")
    clustering = pyacvd.Clustering(smooth)
    clustering.subdivide(2)
    clustering.cluster(N_SURFACE)
    mesh = clustering.create_mesh()
    if mesh.n_points != N_SURFACE or not mesh.is_manifold or mesh.n_open_edges:
        raise RuntimeError(f"remeshing gave {mesh.n_points} vertices, {mesh.n_open_edges} open edges")
    triangles = mesh.faces.reshape(-1, 4)[:, 1:].astype(np.int32)
    return Surface(np.asarray(mesh.points, np.float64), triangles).orient_outward()


def fill(surface: Surface) -> tuple[Floats, Ints]:
    """Fill the surface with tetrahedra, then relax the internal and the worst nodes.

    Returns
    -------
    Nodes (n, 3) float64, mm, those of the surface first, and tetrahedra (m, 4) int32.
    """
    n_surface = len(surface.vertices)
    generator = tetgen.TetGen(pv.PolyData.from_regular_faces(surface.vertices, surface.triangles))
    generator.tetrahedralize(switches=f"pYq1.2a{MAX_TET_VOLUME_MM3}Q")
    nodes = np.array(generator.grid.points, np.float64)
    tets = np.ascontiguousarray(generator.grid.cells_dict[10].astype(np.int32))
    if mean_ratio(nodes, tets)[1].sum() < 0.0:
        tets = np.ascontiguousarray(tets[:, [0, 2, 1, 3]])
    incidence = Incidence.of(tets, len(nodes))
    internal = np.arange(n_surface, len(nodes), dtype=np.int32)
    delta = energy_delta(mean_ratio(nodes, tets)[1])
    relax(nodes, tets, incidence, internal, np.full(len(internal), INTERNAL_LIMIT_MM), delta, SWEEPS)
    for _ in range(REPAIR_ROUNDS):
        poor = np.unique(tets[mean_ratio(nodes, tets)[0] < POOR_MEAN_RATIO])
        limit = np.where(poor < n_surface, SURFACE_LIMIT_MM, INTERNAL_LIMIT_MM)
        relax(nodes, tets, incidence, poor, limit, delta, SWEEPS)
    return nodes, tets

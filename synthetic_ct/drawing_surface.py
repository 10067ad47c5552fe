"""A coarse copy of the template's surface: what a synthetic vertebra is drawn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from models.template import Template
from models.types import Floats, Ints, Singles
from synthetic_ct.deformity import DEFORMITIES, MAX_HEIGHT_LOSS, BodyFrame, Deformity
from workers.mesh.subject_mesh import MeshMorpher

NODES = 5000
"""Nodes of the copy. Its edges are then 1.9 mm long on average, about as long as the voxels it is drawn on."""
REFERENCE_HALF_WIDTH_MM = 24.0
"""Half width of the superior endplate to which displacements of the template belong; a larger vertebra is displaced
by more, in proportion. The template's own half width is 23.2 mm."""
MIDLINE_MM = 6.0
"""Largest distance from the median plane of the nodes in front of and behind the canal."""
LEAST_CANAL_MM = 12.0
"""Least distance of the arch behind the posterior wall. The template's canal is 13 mm deep."""
CANAL_NODES = 6
"""Number of nodes in front of the canal, and behind it. The mean of all is the canal's middle."""


@dataclass(frozen=True)
class DrawingSurface:
    """A coarse copy of the template's surface.

    Attributes
    ----------
    index
        (k,) nodes of the template.
    triangles
        (t, 3) positions in `index`.
    superior, inferior
        Positions of the endplates' nodes.
    canal
        Positions around the vertebral canal: their mean is a point in it.
    tips
        Positions of the tips of the two transverse processes (least x, greatest x) and of the spinous process.
    basis
        (k, m) float32 of the shape model.
    spread
        (m,) root mean square of real shapes' coefficients.
    deformities
        Displacements (k, 3), mm, of each deformity if it took the whole height.
    """

    index: NDArray[np.int64]
    triangles: NDArray[np.int64]
    superior: NDArray[np.int64]
    inferior: NDArray[np.int64]
    canal: NDArray[np.int64]
    tips: NDArray[np.int64]
    basis: Singles
    spread: Floats
    deformities: dict[Deformity, Floats]

    @classmethod
    def of(cls, morpher: MeshMorpher, spread: Floats) -> DrawingSurface:
        """Return the copy of a morpher's template; `spread` (m,) is that of the shape model's coefficients."""
        template = morpher.template
        index, triangles = _decimate(template)
        points = template.nodes[: template.n_surface][index]
        superior = _positions(index, template.superior, len(template.nodes))
        inferior = _positions(index, template.inferior, len(template.nodes))
        x, y, _ = points.T
        tips = np.array([x.argmin(), x.argmax(), y.argmin()])
        canal = _canal(points, np.concatenate([superior, inferior]))
        basis = morpher.basis[: template.n_surface][index].astype(np.float32)
        return cls(index, triangles, superior, inferior, canal, tips, basis, spread, _deformities(template, index))


def _decimate(template: Template) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (k,) nodes of the template and (t, 3) triangles of positions among them."""
    nodes = template.nodes[: template.n_surface]
    full = pv.PolyData.from_regular_faces(nodes, template.triangles.astype(np.int64))
    small = full.decimate(1.0 - 2.0 * NODES / len(template.triangles), volume_preservation=True)
    index = np.unique(cKDTree(nodes).query(small.points)[1])
    nearest = np.asarray(cKDTree(nodes[index]).query(small.points)[1])
    triangles = nearest[small.regular_faces]
    proper = (triangles != np.roll(triangles, 1, axis=1)).all(axis=1)
    return index, triangles[proper]


def _positions(index: NDArray[np.int64], nodes: Ints, n_nodes: int) -> NDArray[np.int64]:
    """Return the positions in `index` of those `nodes` of the template that the copy has."""
    position = np.full(n_nodes, -1)
    position[index] = np.arange(len(index))
    of_nodes = position[np.unique(nodes)]
    return np.asarray(of_nodes[of_nodes >= 0], np.int64)


def _canal(points: Floats, endplates: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return positions on the median plane: the rearmost of the endplates, and the foremost of the arch."""
    x, y, _ = points.T
    midline = np.abs(x) < MIDLINE_MM
    median = endplates[midline[endplates]]
    wall = median[np.argsort(y[median])[:CANAL_NODES]]
    arch = np.flatnonzero(midline & (y < y[wall].mean() - LEAST_CANAL_MM))
    return np.concatenate([wall, arch[np.argsort(-y[arch])[:CANAL_NODES]]])


def _deformities(template: Template, index: NDArray[np.int64]) -> dict[Deformity, Floats]:
    """Return the displacements (k, 3), mm, of each deformity if it took the whole height."""
    body = BodyFrame(template)
    return {kind: body.displacement(kind, MAX_HEIGHT_LOSS)[index] / MAX_HEIGHT_LOSS for kind in DEFORMITIES}

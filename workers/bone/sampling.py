"""The CT at four points of each tetrahedron, read from inside the bone.

A voxel at the surface holds bone and what lies beside it, so its value says nothing of the bone there. A point is read
as deep below the surface as half a voxel reaches along the normal: the voxel about that point lies within the bone. For
this the nodes near the surface are moved inward, and the four points of a tetrahedron move with its corners.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from scipy.spatial import cKDTree

from models.compiled import compiled
from models.template import Template
from models.types import Floats, Singles
from workers.geometry.surface import Surface
from workers.imaging.volume import Volume

NEAR_CORNER = (5.0 + 3.0 * 5.0**0.5) / 20.0
FAR_CORNER = (5.0 - 5.0**0.5) / 20.0
"""Barycentric coordinates of the four points (Hammer, Marlowe & Stroud 1956): exact for quadratic functions."""
THICKNESS_STEP_MM = 0.5
MOST_HALF_THICKNESS_MM = 3.0
"""No voxel that is accepted reaches deeper by its half than this, so thicker bone need not be measured."""


@compiled(parallel=False)
def _interpolate(voxels, x, y, z):  # type: ignore[no-untyped-def]
    """Return the linearly interpolated value at a point in voxels; beyond the volume its outermost voxels go on."""
    x = min(max(x, 0.0), voxels.shape[0] - 1.0)
    y = min(max(y, 0.0), voxels.shape[1] - 1.0)
    z = min(max(z, 0.0), voxels.shape[2] - 1.0)
    i, j, k = int(x), int(y), int(z)
    u, v, w = x - i, y - j, z - k
    i1, j1, k1 = min(i + 1, voxels.shape[0] - 1), min(j + 1, voxels.shape[1] - 1), min(k + 1, voxels.shape[2] - 1)
    low = (1.0 - u) * ((1.0 - v) * voxels[i, j, k] + v * voxels[i, j1, k]) + u * (
        (1.0 - v) * voxels[i1, j, k] + v * voxels[i1, j1, k]
    )
    high = (1.0 - u) * ((1.0 - v) * voxels[i, j, k1] + v * voxels[i, j1, k1]) + u * (
        (1.0 - v) * voxels[i1, j, k1] + v * voxels[i1, j1, k1]
    )
    return (1.0 - w) * low + w * high


@compiled("(i2[:,:,:], f8[:,::1], i4[:,::1])", "(f4[:,:,:], f8[:,::1], i4[:,::1])")
def sample_tetrahedra(voxels, at, tets):  # type: ignore[no-untyped-def]
    """Return the linearly interpolated values (m, 4) of voxels at the four points; `at` (n, 3): nodes in voxels."""
    out = np.empty((len(tets), 4), np.float32)
    more = NEAR_CORNER - FAR_CORNER
    for t in nb.prange(len(tets)):
        a, b, c, d = at[tets[t, 0]], at[tets[t, 1]], at[tets[t, 2]], at[tets[t, 3]]
        x = FAR_CORNER * (a[0] + b[0] + c[0] + d[0])
        y = FAR_CORNER * (a[1] + b[1] + c[1] + d[1])
        z = FAR_CORNER * (a[2] + b[2] + c[2] + d[2])
        for q in range(4):
            corner = at[tets[t, q]]
            out[t, q] = _interpolate(voxels, x + more * corner[0], y + more * corner[1], z + more * corner[2])
    return out


class BoneSampler:
    """Reads a CT at the elements of subject meshes; what depends on the template alone is made once.

    Parameters
    ----------
    template
        The mesh.

    Attributes
    ----------
    nearest
        (n,) the surface node that lies nearest to each node.
    half_thickness
        (n_s,) mm, at most `MOST_HALF_THICKNESS_MM`: how deep the bone's middle lies below each surface node.
    """

    def __init__(self, template: Template) -> None:
        self.template = template
        surface = Surface(template.nodes[: template.n_surface], template.triangles)
        tree = cKDTree(surface.vertices)
        self.nearest = tree.query(template.nodes)[1]
        self.half_thickness = _half_thickness(surface, tree)
        self.volume = surface.volume

    def hounsfield(self, points: Floats, ct: Volume) -> Singles:
        """Return the CT (m, 4) float32, HU, at the four points of each element.

        Parameters
        ----------
        points
            (n, 3) float64, mm, world RAS+: the subject's mesh.
        ct
            HU, in any orientation. Beyond it its outermost voxels go on.
        """
        inverse = np.linalg.inv(ct.affine)
        at = self.inside(points, ct) @ inverse[:3, :3].T + inverse[:3, 3]
        sampled: Singles = sample_tetrahedra(ct.voxels, np.ascontiguousarray(at), self.template.tets)
        return sampled

    def inside(self, points: Floats, ct: Volume) -> Floats:
        """Return the nodes (n, 3), mm, those near the surface moved inward by up to half a voxel's reach."""
        surface = Surface(points[: self.template.n_surface], self.template.triangles)
        sides = np.abs(surface.normals @ ct.affine[:3, :3] / ct.spacing)  # of the normal along i, j, k
        scale = np.cbrt(surface.volume / self.volume)
        wanted = np.minimum(0.5 * sides @ ct.spacing, scale * self.half_thickness)
        normals = surface.normals[self.nearest]
        depth = np.einsum("ij,ij->i", surface.vertices[self.nearest] - points, normals)
        return points - np.maximum(wanted[self.nearest] - depth, 0.0)[:, None] * normals


def _half_thickness(surface: Surface, tree: cKDTree) -> Floats:
    """Return how deep, mm, one gets below each vertex until another part of the surface is nearer."""
    deepest = np.zeros(len(surface.vertices))
    going = np.ones(len(surface.vertices), np.bool_)
    for depth in np.arange(THICKNESS_STEP_MM, MOST_HALF_THICKNESS_MM + THICKNESS_STEP_MM / 2, THICKNESS_STEP_MM):
        distance = tree.query(surface.vertices - depth * surface.normals, workers=1)[0]
        going &= distance > depth - THICKNESS_STEP_MM
        deepest[going] = depth
    return deepest

"""The peer of the patient's own bone: a voxel model as the published benchmark builds it, solved anew.

Bonelab/spineFE-benchmark publishes stiffness and strength of vertebrae of the VerSe data set, and how it builds its
models: a hexahedron for each voxel of 1 mm, E = 2980 rho^1.05 MPa, no floor, caps of 2500 MPa on both endplates, whose
outer faces are driven along z and slide otherwise.
"""

from __future__ import annotations

import itertools

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, cg

from models.types import Bools, Floats, Integers

CAP_MPA, SOFTEST_MPA, POISSON = 2500.0, 1e-4, 0.3
TOLERANCE = 1e-5
"""Relative residual; the stiffness, an energy, is then right to about its square."""
TABLE_BINS, LEAST_MG = 128, -31.0
"""Rows of the published run's table of materials, and its least density, mg/cm^3."""
CORNERS = np.array(list(itertools.product((0, 1), repeat=3)))


def table_density(density: Floats, parts: Integers) -> Floats:
    """Return the density (i, j, k), mg/cm^3, that the published run's table gives each voxel.

    Its scripts (Bonelab/Ogo, ``density2materialID`` and ``add_bone_material``) number the bins of density from 1, but
    give the first modulus to number 0: each voxel has the modulus of the next denser bin, 15 mg/cm^3 more on
    verse004's L2.

    Parameters
    ----------
    density, parts
        See `voxel_stiffness`.
    """
    whole = np.trunc(np.maximum(density, LEAST_MG))
    bone = (parts >= 1) & (parts <= 4) & (whole != 0.0)
    edges = np.linspace(whole[bone].min(), whole[bone].max(), TABLE_BINS + 1)
    middles = (edges[:-1] + edges[1:]) / 2.0
    numbers = np.clip(np.digitize(whole, edges), 1, TABLE_BINS)
    return np.where(bone, np.append(middles, middles[0])[numbers], 0.0)


def voxel_stiffness(density: Floats, parts: Integers, side_mm: float) -> float:
    """Return the stiffness, N/mm, of caps and bone together.

    Parameters
    ----------
    density
        (i, j, k) mg/cm^3 of K2HPO4, k upward.
    parts
        (i, j, k): 1 to 4 bone, 5 and 6 the lower and the upper cap, 0 nothing.
    side_mm
        Of a voxel.
    """
    grams = np.maximum(density / 1000.0, 0.0)
    young = np.where((parts >= 1) & (parts <= 4), np.maximum(2980.0 * grams**1.05, SOFTEST_MPA), 0.0)
    young[parts >= 5] = CAP_MPA
    voxels = np.argwhere(young > 0.0)
    shape = np.array(young.shape) + 1
    nodes = np.ravel_multi_index((voxels[:, None] + CORNERS).reshape(-1, 3).T, shape)
    present, nodes = np.unique(nodes, return_inverse=True)
    dof = (3 * nodes.reshape(-1, 8)[:, :, None] + np.arange(3)).reshape(-1, 24)
    values = (side_mm * young[tuple(voxels.T)][:, None, None] * _hexahedron()).ravel()
    at = (np.repeat(dof, 24, axis=1).ravel(), np.tile(dof, (1, 24)).ravel())
    matrix = scipy.sparse.csr_matrix((values, at), shape=(3 * len(present), 3 * len(present)))
    top = 3 * np.searchsorted(present, _outer_face(parts == 6, shape, up=True)) + 2
    bottom = 3 * np.searchsorted(present, _outer_face(parts == 5, shape, up=False)) + 2
    return _driven(matrix, top, bottom)


def _driven(matrix: scipy.sparse.csr_matrix, top: Integers, bottom: Integers) -> float:
    """Return the force, N, at the degrees of freedom `top` that move by -1 mm; those of `bottom` stay."""
    moved, held = np.zeros(matrix.shape[0]), np.zeros(matrix.shape[0], np.bool_)
    moved[top], held[top], held[bottom] = -1.0, True, True
    free = matrix[~held][:, ~held]
    diagonal = free.diagonal()
    right = -(matrix @ moved)[~held]
    scaled = LinearOperator(free.shape, lambda x: x / diagonal)
    found, failed = cg(free, right, rtol=TOLERANCE, maxiter=10_000, M=scaled)
    if failed:
        raise RuntimeError("the voxel model did not converge")
    moved[~held] = found
    return float(-(matrix @ moved)[top].sum())


def _outer_face(cap: Bools, shape: Integers, up: bool) -> Integers:
    """Return the ids of the nodes on the cap's upper or lower face."""
    layer = np.flatnonzero(cap.any(axis=(0, 1)))[-1 if up else 0]
    columns = np.argwhere(cap[:, :, layer])
    corners = np.array(list(itertools.product((0, 1), repeat=2)))
    flat = (columns[:, None] + corners).reshape(-1, 2)
    return np.unique(np.ravel_multi_index((flat[:, 0], flat[:, 1], np.full(len(flat), layer + int(up))), shape))


def _hexahedron() -> Floats:
    """Return the stiffness (24, 24) of a cube of side 1 and Young's modulus 1, by 2 x 2 x 2 Gauss points."""
    lam, mu = POISSON / ((1.0 + POISSON) * (1.0 - 2.0 * POISSON)), 1.0 / (2.0 * (1.0 + POISSON))
    elastic = np.diag([2.0 * mu] * 3 + [mu] * 3)
    elastic[:3, :3] += lam
    out = np.zeros((24, 24))
    gauss = 0.5 - 0.5 / 3.0**0.5
    for point in itertools.product((gauss, 1.0 - gauss), repeat=3):
        shape = np.where(CORNERS == 1, point, 1.0 - np.array(point))
        sign = np.where(CORNERS == 1, 1.0, -1.0)
        gradient = np.stack([sign[:, a] * np.delete(shape, a, axis=1).prod(axis=1) for a in range(3)], axis=1)
        strain = np.zeros((6, 24))
        for corner, (x, y, z) in enumerate(gradient):
            rows = [[x, 0, 0], [0, y, 0], [0, 0, z], [y, x, 0], [0, z, y], [z, 0, x]]
            strain[:, 3 * corner : 3 * corner + 3] = rows
        out += strain.T @ elastic @ strain / 8.0
    return out

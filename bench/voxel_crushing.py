"""The published voxel model crushed by the law of `workers.fem.crushing`: its difference from theirs is the law's."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from bench.voxel_model import CAP_MPA, VoxelMesh, hexahedron, moduli
from models.types import Floats, Integers
from workers.bone.strength import yield_stress
from workers.fem.crushing import FORCE_TOLERANCE, left_of

CAP_YIELD_MPA = 70.0
"""Of the cement, in the published run."""
TOLERANCE, MOST_ITERATIONS, MOST_STEPS = 1e-5, 3000, 60
"""Relative residual of each linear problem, and limits. It is relative to the pull of the driven cement, which is far
stiffer than bone that yields: with 1e-3 the iteration stood still, 36 % too high."""


def voxel_strength(density: Floats, parts: Integers, side_mm: float, travel_mm: float) -> float:
    """Return the force, N, at a travel of the upper cap's outer face; other parameters are those of `voxel_stiffness`.

    Each step solves with the secant moduli of the step before.

    Raises
    ------
    RuntimeError
        A linear problem or the iteration did not come to its end.
    """
    mesh, cube = VoxelMesh.of(parts), hexahedron()
    at = tuple(mesh.voxels.T)
    young, cap = moduli(density, parts)[at], parts[at] >= 5
    limit = np.where(cap, CAP_YIELD_MPA / CAP_MPA, yield_stress(density[at]) / young)
    moved, share, forces = np.zeros(mesh.size), np.ones(len(young)), list[float]()
    moved[mesh.top] = -travel_mm
    while left_of(forces) > FORCE_TOLERANCE:
        if len(forces) == MOST_STEPS:
            raise RuntimeError("the voxels did not come to rest")
        moved = _solve(mesh, side_mm * young * share, moved)
        own = moved[mesh.dof]
        squares = np.einsum("md,md->m", own @ cube, own)
        strain = np.sqrt(squares) / side_mm
        share = limit / np.maximum(strain, limit)
        forces.append(float((side_mm * young * share * squares).sum() / travel_mm))
    return forces[-1] * (1.0 - left_of(forces))


def _solve(mesh: VoxelMesh, factor: Floats, start: Floats) -> Floats:
    """Return the displacement, mm, of cubes times `factor` (m,), N/mm; what `start` has on the outer faces is held."""
    cube = hexahedron()
    held = np.isin(np.arange(mesh.size), np.concatenate([mesh.top, mesh.bottom]))

    def forces(x: Floats) -> Floats:
        of_cubes = factor[:, None] * (x[mesh.dof] @ cube)
        return np.bincount(mesh.dof.ravel(), of_cubes.ravel(), mesh.size)

    diagonal = np.bincount(mesh.dof.ravel(), np.outer(factor, np.diag(cube)).ravel(), mesh.size)
    shape = (mesh.size, mesh.size)
    matrix = LinearOperator(shape, lambda x: np.where(held, 0.0, forces(np.where(held, 0.0, x.ravel()))))
    scaled = LinearOperator(shape, lambda x: x.ravel() / diagonal)
    right = np.where(held, 0.0, -forces(np.where(held, start, 0.0)))
    found, failed = cg(matrix, right, np.where(held, 0.0, start), rtol=TOLERANCE, maxiter=MOST_ITERATIONS, M=scaled)
    if failed:
        raise RuntimeError("the voxel model did not converge")
    return np.asarray(np.where(held, start, found), np.float64)

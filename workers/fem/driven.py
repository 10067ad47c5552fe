"""A mesh of the template between rigid plates: the superior one is driven along the axis, the inferior one rests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.coarse_mesh import CoarseMesh
from models.template import Template
from models.types import Floats, Singles
from workers.fem.linear_tetrahedra import internal_forces
from workers.fem.material import Material
from workers.fem.sparsity import SparsityPattern
from workers.fem.template_solver import TemplateSolver


class DrivenSolver:
    """Two-level solver of the template with both endplates held.

    Parameters
    ----------
    template
        The mesh.
    coarse
        The template's coarse mesh.
    pattern
        Of the template's mesh, template order.

    Attributes
    ----------
    tets
        (m, 4) int32.
    moved, resting
        (n,) bool: nodes at the superior and at the inferior plate.
    """

    def __init__(self, template: Template, coarse: CoarseMesh, pattern: SparsityPattern) -> None:
        both = np.concatenate([template.inferior, template.superior])
        self.solver = TemplateSolver(replace(template, inferior=both), coarse, pattern)
        self.tets = self.solver.tets
        self.moved, self.resting = (np.zeros(len(template.nodes), np.bool_) for _ in range(2))
        self.moved[template.loaded_nodes] = True
        self.resting[template.fixed_nodes] = True
        self.touching = np.flatnonzero(self.moved[template.tets].any(axis=1))

    def ramp(self, points: Floats, axis: Floats) -> Floats:
        """Return (n,) what is 1 at the driven plate, 0 at the resting one and grows evenly along the axis between."""
        height = points @ axis
        low, high = height[self.resting].mean(), height[self.moved].mean()
        between = np.clip((height - low) / (high - low), 0.0, 1.0)
        return np.where(self.moved, 1.0, np.where(self.resting, 0.0, between))

    def solve(
        self,
        points: Floats,
        elements: tuple[Singles, Singles],
        material: Material,
        start: Floats,
        tolerance: float,
    ) -> tuple[Floats, int]:
        """Return the displacement (n, 3), mm, of a linear-elastic mesh whose plates are where `start` has them.

        Parameters
        ----------
        points, elements
            (n, 3) float64, mm, and their gradients and volumes in float32, from `shape_gradients`.
        material
            Of the elements.
        start
            (n, 3) float64, mm: a displacement near the solution, right at both endplates.
        tolerance
            Bound of the relative error in the energy norm to stop at.

        Returns
        -------
        It and the cycles that it took.

        Raises
        ------
        NotConverged
            The bound did not fall below `tolerance`.
        """
        plates = np.where(self.moved[:, None], start, 0.0)
        pull = self._pull(plates, elements, material)
        precondition = self.solver.precondition(points, elements, material)
        iterate = self.solver.iterate(precondition, -pull, tolerance, start)
        return plates + np.where(self.moved[:, None], 0.0, iterate.displacement[self.solver.order.rank]), iterate.cycles

    def _pull(self, displacement: Floats, elements: tuple[Singles, Singles], material: Material) -> Floats:
        """Return what the stresses of the elements at the driven plate pull at each node (n, 3), N."""
        touching, (gradient, volume) = self.touching, elements
        own = replace(material, grade=None if material.grade is None else material.grade[touching])
        return internal_forces(displacement, (gradient[touching], volume[touching]), self.tets[touching], own)

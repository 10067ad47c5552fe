"""A load case other than the paper's: compression between two rigid plates that stick to the endplates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.template import Template
from models.types import Floats, Ints
from workers.fem.field import StressField
from workers.fem.linear_tetrahedra import element_stress, shape_gradients
from workers.fem.loads import cranio_caudal_axis
from workers.fem.material import Material
from workers.fem.solve import Solution, solve
from workers.fem.solve_plan import SolvePlan


def plan_plates(template: Template) -> SolvePlan:
    """Return the plan of a mesh whose endplates both are Dirichlet nodes; made once for a template."""
    held = np.union1d(template.fixed_nodes, template.loaded_nodes)
    return SolvePlan(template.tets, len(template.nodes), held.astype(np.int32))


def solve_between_plates(
    points: Floats, template: Template, plan: SolvePlan, load_newton: float, material: Material | None = None
) -> tuple[Solution, Floats]:
    """Solve the compression of a mesh by a plate that moves along the vertebra's own axis until it bears a load.

    Parameters
    ----------
    points
        (n, 3) float64, mm, any right-handed frame.
    template, plan
        Of the mesh; the plan is `plan_plates`.
    load_newton
        Force along the axis, N. The plate does not turn or slide, so it bears a moment and a lateral force too.
    material
        The paper's bone by default.

    Returns
    -------
    The solution, whose reaction is that of the lower plate, and the force (3,), N, of the upper plate on the bone.

    Raises
    ------
    DistortedMesh
        An element has no positive volume.
    NotConverged
        Conjugate gradients did not reach their tolerance.
    """
    axis = cranio_caudal_axis(points, template.superior, template.inferior)
    pushed = np.zeros_like(points)
    pushed[template.loaded_nodes] = -axis
    unit = solve(points, plan, np.zeros_like(points), material, pushed)
    displacement = unit.field.displacement
    assert displacement is not None
    internal = _internal_forces(points, displacement, plan.pattern.tets, material or Material())
    upper, lower = (internal[nodes].sum(axis=0) for nodes in (template.loaded_nodes, template.fixed_nodes))
    factor = load_newton / float(-upper @ axis)
    field = StressField(
        None if unit.field.tensor is None else factor * unit.field.tensor,
        factor * unit.field.principal,
        factor * unit.field.von_mises,
        factor * displacement,
    )
    return replace(unit, field=field, reaction=factor * lower), factor * upper


def _internal_forces(points: Floats, displacement: Floats, tets: Ints, material: Material) -> Floats:
    """Return what the elements' stresses pull at each node (n, 3), N."""
    gradient, volume = shape_gradients(points, tets)
    xx, yy, zz, xy, yz, zx = (element_stress(displacement, gradient, tets, material) * volume[:, None]).T
    tensor = np.stack([np.stack([xx, xy, zx]), np.stack([xy, yy, yz]), np.stack([zx, yz, zz])])
    force = np.zeros_like(points)
    for corner in range(4):
        pull = np.einsum("ijt,tj->ti", tensor, gradient[:, corner])
        for axis in range(3):
            force[:, axis] += np.bincount(tets[:, corner], pull[:, axis], minlength=len(points))
    return force

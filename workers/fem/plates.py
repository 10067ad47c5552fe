"""A load case other than the paper's: compression between rigid plates or cement caps."""

from __future__ import annotations

import numpy as np

from models.template import Template
from models.types import Floats
from workers.fem.caps import CappedMesh
from workers.fem.linear_tetrahedra import element_stress, shape_gradients
from workers.fem.loads import cranio_caudal_axis
from workers.fem.material import Material
from workers.fem.pushing import Pushed, push
from workers.fem.solve import Solution
from workers.fem.solve_plan import SolvePlan
from workers.fem.solved_case import SolvedCase
from workers.fem.stress_recovery import recover_field
from workers.geometry.incidence import Incidence


def plan_plates(template: Template) -> SolvePlan:
    """Return the plan of a mesh whose endplates both are Dirichlet nodes; made once for a template."""
    held = np.union1d(template.fixed_nodes, template.loaded_nodes)
    return SolvePlan(template.tets, len(template.nodes), held.astype(np.int32))


def solve_between_plates(
    points: Floats, template: Template, plan: SolvePlan, load_newton: float, material: Material | None = None
) -> SolvedCase:
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
    The solution, whose reaction is that of the lower plate, with the force (3,), N, of the upper plate on the bone.

    Raises
    ------
    DistortedMesh
        An element has no positive volume.
    NotConverged
        Conjugate gradients did not reach their tolerance.
    """
    axis = cranio_caudal_axis(points, template.superior, template.inferior)
    faces = (template.loaded_nodes, template.fixed_nodes)
    pushed = push(points, plan, axis, faces, material or Material(), load_newton)
    return _case(pushed, points, template, plan.pattern.incidence, material)


def solve_between_caps(
    points: Floats, template: Template, capped: CappedMesh, load_newton: float, material: Material | None = None
) -> SolvedCase:
    """Solve the same with caps of cement between plates and endplates; parameters and errors are those above.

    The field is that of the bone alone.
    """
    axis = cranio_caudal_axis(points, template.superior, template.inferior)
    whole = capped.material(material, len(template.tets))
    faces = (capped.upper, capped.lower)
    pushed = push(capped.points(points, template), capped.plan, axis, faces, whole, load_newton)
    return _case(pushed, points, template, capped.bone, material)


def _case(
    pushed: Pushed, points: Floats, template: Template, incidence: Incidence, material: Material | None
) -> SolvedCase:
    """Return the solved case of a body whose first n nodes and first m elements are those of the bone."""
    displacement = pushed.displacement[: len(points)]
    gradient, _ = shape_gradients(points, template.tets)
    stress = element_stress(displacement, gradient, template.tets, material or Material())
    field = recover_field(stress, incidence, displacement)
    return SolvedCase(Solution(field, pushed.lower, pushed.iterations), pushed.upper, travel_mm=pushed.travel_mm)

"""A body that is pushed along an axis by a rigid face until it bears a load."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats, Ints
from workers.fem.linear_tetrahedra import internal_forces, shape_gradients
from workers.fem.material import Material
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan


@dataclass(frozen=True)
class Pushed:
    """A body under a push.

    Attributes
    ----------
    displacement
        (n, 3) float64, mm.
    travel_mm
        How far the moved face went.
    upper, lower
        (3,) float64, N: forces of the moved face and of the resting one on the body.
    iterations
        Iterations of conjugate gradients.
    """

    displacement: Floats
    travel_mm: float
    upper: Floats
    lower: Floats
    iterations: int


def push(
    points: Floats, plan: SolvePlan, axis: Floats, faces: tuple[Ints, Ints], material: Material, load_newton: float
) -> Pushed:
    """Move one face against the axis, without a turn or a slide, until it bears a load along the axis.

    Parameters
    ----------
    points, plan
        (n, 3) float64, mm; the plan's Dirichlet nodes are those of both faces.
    axis
        (3,) unit vector.
    faces
        Ids of the nodes of the face that moves and of the one that rests.
    material, load_newton
        Of the elements; N.

    Raises
    ------
    DistortedMesh
        An element has no positive volume.
    NotConverged
        Conjugate gradients did not reach their tolerance.
    """
    moved, resting = faces
    prescribed = np.zeros_like(points)
    prescribed[moved] = -axis
    unit = solve(points, plan, np.zeros_like(points), material, prescribed)
    displacement = unit.field.displacement
    assert displacement is not None
    tets = plan.pattern.tets
    internal = internal_forces(displacement, shape_gradients(points, tets), tets, material)
    upper, lower = internal[moved].sum(axis=0), internal[resting].sum(axis=0)
    factor = load_newton / float(-upper @ axis)
    return Pushed(factor * displacement, factor, factor * upper, factor * lower, unit.iterations)

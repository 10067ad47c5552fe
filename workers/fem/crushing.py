"""Bone that gives way: a load-displacement curve beyond the linear one.

Each element is linear elastic up to its yield strain, and bears its yield stress beyond it. What counts is the
effective strain e = sqrt(2 U / E), with U the energy that the strain has in linear elasticity: in a bar the strain
itself, and not zero under pressure from all sides, since trabecular bone crushes. The stress is s C:strain with
s = min(1, yield strain / e). It is the derivative of a convex energy, so a displacement of the plates has one answer,
whatever the way there (deformation theory: right while nothing is unloaded). The volume is not kept, so linear
tetrahedra do not lock.

Each step of the iteration (Kačanov) solves a linear problem with the moduli s E of the step before. The energy falls in
every step, because it is concave in e^2. The force is the work of the stresses over the way of the plate. It falls
evenly from step to step, so that Aitken's extrapolation tells where it leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numba as nb
import numpy as np

from models.compiled import compiled
from models.types import Bools, Floats, Ints, Singles
from workers.fem.driven import DrivenSolver
from workers.fem.errors import NotConverged
from workers.fem.linear_tetrahedra import shape_gradients
from workers.fem.material import Material
from workers.fem.solve import check_volumes

LINEAR_TOLERANCE = 3e-3
"""Bound of the relative error in the energy norm of each linear problem."""
FORCE_TOLERANCE = 5e-3
"""What the iteration may leave of the force, by Aitken's extrapolation, relative to it."""
STEADY = 5e-4
"""Relative change of the force in a step that is none: nothing more yields."""
SLOWEST = 0.9
"""Largest ratio of two changes that is extrapolated."""
MAX_STEPS = 40
"""Of the iteration at one displacement; an osteoporotic L2 takes 2 to 11."""


@dataclass(frozen=True)
class Yielding:
    """Bone that yields.

    Attributes
    ----------
    elastic
        Below the yield strain; each of m elements has a modulus of its own.
    yield_strain
        (m,) float64, no unit: yield stress over modulus.
    """

    elastic: Material
    yield_strain: Floats

    @property
    def grade(self) -> Floats:
        """(m,) each element's modulus over that of the reference."""
        assert self.elastic.grade is not None
        return self.elastic.grade

    def with_secant(self, share: Floats) -> Material:
        """Return the material of secant moduli that are a share (m,) of the elastic ones."""
        return replace(self.elastic, grade=self.grade * share)

    def share(self, strain: Floats) -> Floats:
        """Return the secant modulus over the elastic one (m,), in (0, 1], at effective strains (m,)."""
        return self.yield_strain / np.maximum(strain, self.yield_strain)

    def work(self, strain: Floats, volume: Singles) -> float:
        """Return the sum of stress times strain over the volume, N mm, at effective strains (m,)."""
        return float(self.elastic.young_mpa * np.sum(volume * self.grade * self.share(strain) * strain**2))


@dataclass(frozen=True)
class CurvePoint:
    """A point of the load-displacement curve.

    Attributes
    ----------
    travel_mm, force_newton
        Of the driven plate, along the axis.
    yielded
        (m,) elements beyond their yield strain.
    forces
        That of each step of the iteration, N: they fall, and `force_newton` is where they lead.
    """

    travel_mm: float
    force_newton: float
    yielded: Bools
    forces: list[float]


def crush(
    points: Floats, solver: DrivenSolver, bone: Yielding, axis: Floats, travels_mm: Sequence[float]
) -> list[CurvePoint]:
    """Return the load-displacement curve of a mesh between plates.

    Parameters
    ----------
    points
        (n, 3) float64, mm.
    solver
        Of the template.
    bone
        Of its elements.
    axis
        (3,) unit vector against which the superior plate moves.
    travels_mm
        How far, rising, all positive.

    Raises
    ------
    DistortedMesh
        An element has no positive volume.
    NotConverged
        A linear problem did not reach its tolerance, or the iteration did not.
    """
    elements = shape_gradients(points, solver.tets, np.float32)
    check_volumes(elements[1])
    unit, share = -np.outer(solver.ramp(points, axis), axis), np.ones(len(bone.yield_strain))
    curve = []
    for travel in travels_mm:
        displacement, forces = travel * unit, list[float]()
        while left_of(forces) > FORCE_TOLERANCE:
            if len(forces) == MAX_STEPS:
                raise NotConverged("The bone did not come to rest.", f"at most {MAX_STEPS} steps", f"{forces[-1]:g} N")
            material = bone.with_secant(share)
            displacement, _ = solver.solve(points, elements, material, displacement, LINEAR_TOLERANCE)
            strain = effective_strain(displacement, elements[0], solver.tets, bone.elastic)
            share = bone.share(strain)
            forces.append(bone.work(strain, elements[1]) / travel)
        unit = displacement / travel
        curve.append(CurvePoint(travel, forces[-1] * (1.0 - left_of(forces)), share < 1.0, forces))
    return curve


def left_of(forces: Sequence[float]) -> float:
    """Return by what share of the last one forces that fall evenly will still fall (Aitken); 1 at first."""
    if len(forces) < 2:
        return 1.0
    change = (forces[-2] - forces[-1]) / forces[-1]
    if abs(change) <= STEADY:
        return 0.0
    if len(forces) < 3:
        return 1.0
    ratio = min(max((forces[-2] - forces[-1]) / (forces[-3] - forces[-2]), 0.0), SLOWEST)
    return abs(change) * ratio / (1.0 - ratio) if ratio else 1.0


def effective_strain(displacement: Floats, gradient: Singles, tets: Ints, elastic: Material) -> Floats:
    """Return sqrt(2 U / E) of each element (m,), no unit, under a displacement (n, 3), mm."""
    lam, mu = elastic.lame
    strain: Floats = _effective_strain(displacement, gradient, tets, lam / elastic.young_mpa, mu / elastic.young_mpa)
    return strain


@compiled("(f8[:,::1], f4[:,:,::1], i4[:,::1], f8, f8)")
def _effective_strain(displacement, gradient, tets, lam, mu):  # type: ignore[no-untyped-def]
    """Effective strain (m,) of each element; lam and mu are over Young's modulus."""
    out = np.empty(len(tets))
    for t in nb.prange(len(tets)):
        g = np.zeros((3, 3))
        for a in range(1, 4):
            for r in range(3):
                change = displacement[tets[t, a], r] - displacement[tets[t, 0], r]
                for c in range(3):
                    g[r, c] += change * gradient[t, a, c]
        trace, squares = 0.0, 0.0
        for r in range(3):
            trace += g[r, r]
            for c in range(3):
                squares += 0.25 * (g[r, c] + g[c, r]) ** 2
        out[t] = np.sqrt(lam * trace * trace + 2.0 * mu * squares)
    return out

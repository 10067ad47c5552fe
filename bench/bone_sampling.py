"""Stiffness with the CT read at more and at fewer points of an element: part of `bench.bone`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.ndimage import map_coordinates

from bench.bone_subjects import Subject
from models.types import Floats
from workers.bone.laws import young_modulus
from workers.engine import engine
from workers.fem.crushing import Yielding
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.fem.material import Material

SHIPPED = "4 (ships)"
LATTICES = {"1": 1, "10": 3, "35": 5}
MOST = "35"
"""Points of a tetrahedron by the order of the lattice that they make; all weigh the same."""
TRAVEL_MM = 0.01
"""Of the plate: so little that no element comes near a yield strain of 1."""


def measure_sampling(subjects: Sequence[Subject]) -> dict[str, dict[str, list[float]]]:
    """Return, by subject and number of points, the stiffness under traction and between plates, N/mm."""
    found = {}
    for subject in subjects:
        materials = {SHIPPED: subject.bone.material} | {name: _material(subject, n) for name, n in LATTICES.items()}
        found[subject.name] = {name: _stiffness(subject.points, material) for name, material in materials.items()}
    return found


def _stiffness(points: Floats, material: Material) -> list[float]:
    """Return both: by the work of the traction, and by the force of plates between which nothing yields."""
    solution, force = engine().solve(points, REFERENCE_LOAD_NEWTON, material)
    moved = solution.field.displacement
    assert moved is not None
    never = Yielding(material, np.ones(len(engine().template.tets)))
    [pressed] = engine().crush(points, never, [TRAVEL_MM])
    return [REFERENCE_LOAD_NEWTON**2 / float(np.vdot(force, moved)), pressed.force_newton / TRAVEL_MM]


def _material(subject: Subject, order: int) -> Material:
    """Return the means of the moduli at the points of a lattice of an order, in each element."""
    inverse = np.linalg.inv(subject.ct.affine)
    at = engine().bone_sampler.inside(subject.points, subject.ct) @ inverse[:3, :3].T + inverse[:3, 3]
    corners, places = at[engine().template.tets], list(lattice(order))
    young = np.zeros(len(corners))
    for place in places:
        values = map_coordinates(subject.ct.voxels, (place @ corners).T, np.float32, order=1, mode="nearest")
        young += young_modulus(subject.bone.law, subject.calibration.density(values)) / len(places)
    return Material.of_elements(young)


def lattice(order: int) -> Iterator[Floats]:
    """Yield the barycentric coordinates (4,) of the middles of a lattice: one point, four, ten, twenty, 35."""
    for i in range(order):
        for j in range(order - i):
            for k in range(order - i - j):
                steps = np.array([i, j, k, order - 1 - i - j - k])
                yield (steps + 0.25) / order


def points_text(found: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Return the section of the page."""
    names = list(next(iter(found.values())))
    rows = []
    for subject, by_points in found.items():
        for number, case in enumerate(("traction", "plates")):
            most = by_points[MOST][number]
            cells = [f"{of[number]:,.0f} ({100 * (of[number] / most - 1):+.2f} %)" for of in by_points.values()]
            rows.append(f"| {subject} | {case} | {' | '.join(cells)} |")
    return TEXT.format(names=" | ".join(names), lines=" | ".join("---" for _ in names), rows="\n".join(rows))


TEXT = """## Points at which the CT is read

Stiffness, N/mm, with the CT read at so many points of each element of the template's mesh; in brackets the difference
from 35 points. Four points are within 0.4 % of many, one within 2 %.

| vertebra | load | {names} |
| --- | --- | {lines} |
{rows}

"""

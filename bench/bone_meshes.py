"""How far the stiffness is from that of an infinitely fine mesh: part of `bench.bone`.

A coarse mesh of each person that is halved twice tells the rate; the template's mesh of the published L2, each of its
elements in eight, and quadratic elements, tell what that mesh leaves. In a family an element's parts have its modulus:
geometry and bone stay, so it is the displacement alone that converges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.bone_subjects import Subject
from bench.coarse_body import coarse_body, coarse_moduli
from bench.mesh_stiffness import CASES, Case, CompressedBody
from bench.refined_mesh import Body
from models.types import Floats
from workers.bone.elements import ElementBone
from workers.bone.sampling import sample_tetrahedra
from workers.engine import engine

FAMILY = ("coarse", "coarse halved", "coarse quartered")


def measure_meshes(subjects: Sequence[Subject]) -> dict[str, dict[str, dict[str, float]]]:
    """Return, by subject, load case and mesh, the stiffness of coarse meshes and of the template's, N/mm."""
    found: dict[str, dict[str, dict[str, float]]] = {subject.name: {} for subject in subjects}
    for case in CASES:
        plan = CompressedBody(template_body(), case)
        for subject in subjects:
            row = coarse_family(case, subject)
            row["template"] = plan.stiffness(subject.points, subject.young_mpa)
            found[subject.name][case] = row
    return found


def measure_halved(subject: Subject) -> dict[str, dict[str, float]]:
    """Return, by load case, the stiffness on the template's mesh in eight, N/mm: 5.4 million elements.

    `read anew`: each eighth has a modulus of its own. `quadratic`: as many nodes, and quadratic elements.
    """
    found: dict[str, dict[str, float]] = {}
    halved, ten = template_body().refined()
    young, points = subject.young_mpa, template_body().at(subject.points).refined()[0].points
    for case in CASES:
        plan = CompressedBody(halved, case)
        found[case] = {
            "halved": plan.stiffness(points, np.repeat(young, 8)),
            "read anew": plan.stiffness(points, _moduli_of_parts(subject, template_body())),
            "quadratic": plan.stiffness(points, np.repeat(young, 8), (ten, young)),
        }
    return found


def template_body() -> Body:
    """Return the template's mesh."""
    template = engine().template
    return Body(template.nodes, template.tets, template.superior, template.inferior)


def coarse_family(case: Case, subject: Subject) -> dict[str, float]:
    """Return the stiffness of the coarse mesh in the subject, of its halves and of its quarters."""
    body, young = coarse_body(engine(), subject.points), coarse_moduli(engine(), subject.points, subject.bone)
    row = {}
    for name in FAMILY:
        row[name] = CompressedBody(body, case).stiffness(body.points, young)
        body, young = body.refined()[0], np.repeat(young, 8)
    return row


def rate(row: Mapping[str, float]) -> float:
    """Return the exponent p of an error like h^p, from the coarse family."""
    first, second, third = (row[name] for name in FAMILY)
    return float(np.log2((first - second) / (second - third)))


def extrapolated(coarser: float, finer: float, exponent: float) -> float:
    """Return where a mesh and its half lead at a rate, N/mm."""
    return finer - (coarser - finer) / float(2.0**exponent - 1.0)


def _moduli_of_parts(subject: Subject, fine: Body) -> Floats:
    """Return the moduli (8 m,), MPa, of the eighths of each element, each read from the CT at four points."""
    inverse = np.linalg.inv(subject.ct.affine)
    at = engine().bone_sampler.inside(subject.points, subject.ct) @ inverse[:3, :3].T + inverse[:3, 3]
    parts, _ = fine.at(np.ascontiguousarray(at)).refined()
    sampled = sample_tetrahedra(subject.ct.voxels, parts.points, parts.tets)
    return np.asarray(ElementBone.of(sampled, subject.calibration, subject.bone.law).young_mpa, np.float64)


def meshes_text(
    found: Mapping[str, Mapping[str, Mapping[str, float]]], halved: Mapping[str, Mapping[str, float]]
) -> str:
    """Return the section of the page."""
    families = [_family_row(name, case, row) for name, of_cases in found.items() for case, row in of_cases.items()]
    published = next(iter(found.values()))
    fine = [_fine_row(case, published[case], row) for case, row in halved.items()]
    return TEXT.format(families="\n".join(families), fine="\n".join(fine))


def _family_row(name: str, case: str, row: Mapping[str, float]) -> str:
    exponent, (_, coarser, finer) = rate(row), (row[mesh] for mesh in FAMILY)
    limit = extrapolated(coarser, finer, exponent)
    numbers = [f"{row[mesh]:,.0f} ({100 * (row[mesh] / limit - 1):+.1f} %)" for mesh in FAMILY]
    return f"| {name} | {case} | {' | '.join(numbers)} | {exponent:.2f} | {limit:,.0f} | {row['template']:,.0f} |"


def _fine_row(case: str, row: Mapping[str, float], halved: Mapping[str, float]) -> str:
    limit = extrapolated(row["template"], halved["halved"], rate(row))
    numbers = (row["template"], halved["halved"], halved["quadratic"], halved["read anew"])
    cells = " | ".join(f"{number:,.0f} ({100 * (number / limit - 1):+.1f} %)" for number in numbers)
    return f"| {case} | {cells} | {limit:,.0f} |"


TEXT = """## Convergence with the mesh

A coarse mesh (17,532 elements) of the template, fitted to each person by an affine map, and each of its elements in
eight and in 64. An element's parts have its modulus, so bone and geometry stay. N/mm, in brackets the difference from
where the three lead. TotalSegmentator and TPTBox with the default calibration, UNCALIBRATED.

| vertebra | load | coarse | halved | quartered | rate | leads to | template's own mesh |
| --- | --- | --- | --- | --- | --- | --- | --- |
{families}

The error falls with about the first power of the size of the elements, not with the second: the stress is infinite
where a clamped or stuck endplate ends, and moduli jump from element to element. Where a mesh and its half lead follows.
An affine map gives no person's shape, so the last column is of another body. But the template's elements are a fifth
larger than the quartered ones, whose column so tells what they leave: the shipped stiffness is 1 to 5 % above that of
an infinitely fine mesh, more between plates and in soft bone.

The template's mesh (675,249 elements of about 1 mm) of the published L2, N/mm:

| load | ships | in eight | quadratic elements | in eight, each read from the CT | leads to |
| --- | --- | --- | --- | --- | --- |
{fine}

"""

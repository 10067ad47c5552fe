"""CalculiX on the template's coarse mesh, with moduli of its own in each element: moments, plates and caps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from bench import calculix
from bench.coarse_body import coarse_body
from bench.refined_mesh import outer_triangles
from models.template import Template
from workers.fem.caps import CappedMesh
from workers.fem.loads import cranio_caudal_axis, endplate_traction
from workers.fem.material import Material
from workers.fem.moments import endplate_moments
from workers.fem.plates import plan_plates, solve_between_caps, solve_between_plates
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan
from workers.fem.solved_case import SolvedCase
from workers.fem.stress import von_mises

LOAD, FLEXION, LATERAL = 800.0, 7000.0, -3000.0
"""N and N mm: the moments bend as much as the load presses."""
MOST = 0.005
"""Relative L2 difference; measured: moments 3e-5 (the tolerance of ccx), plates and caps 1.4e-6."""
pytestmark = pytest.mark.skipif(
    calculix.executable() is None, reason="CalculiX (ccx) is not installed: apt-get install calculix-ccx"
)


@pytest.fixture(scope="module")
def coarse(engine) -> Template:
    body = coarse_body(engine, engine.template.nodes)
    nodes, surface = body.points, outer_triangles(body.tets)
    region = np.zeros(len(nodes), np.uint8)
    return Template(nodes, body.tets, surface, len(nodes), region, body.superior, body.inferior)


@pytest.fixture(scope="module")
def graded(coarse) -> Material:
    """Soft inside, stiff below the surface, with a wave on it: 40 to 5,000 MPa, some 60 moduli."""
    middle = coarse.nodes[coarse.tets].mean(axis=1)
    depth = cKDTree(coarse.nodes[np.unique(coarse.triangles)]).query(middle)[0]
    exponent = np.log(100.0) + np.where(depth < 2.0, 3.0, 0.0) + 0.9 * np.sin(middle @ [0.7, 0.3, -0.5])
    return Material.of_elements(np.exp(np.round(exponent, 1)))


def off(got, expected):
    return np.linalg.norm(got - expected) / np.linalg.norm(expected)


def moved(coarse: Template, n: int, nodes, travel: float):
    """What the plate's way prescribes at its nodes, of n."""
    prescribed = np.zeros((n, 3))
    prescribed[nodes] = -travel * cranio_caudal_axis(coarse.nodes, coarse.superior, coarse.inferior)
    return prescribed


def test_compression_with_flexion_and_a_lateral_moment(coarse, graded):
    """Ours are superposed, CalculiX solves for their sum."""
    ends = (coarse.nodes, coarse.superior, coarse.inferior)
    forces = [endplate_traction(*ends, LOAD), endplate_moments(coarse.nodes, coarse, FLEXION, LATERAL)]
    plan = SolvePlan(coarse.tets, len(coarse.nodes), coarse.fixed_nodes)
    ours = SolvedCase.superposed([solve(coarse.nodes, plan, force, graded) for force in forces], forces)
    peer = calculix.solve_with_calculix(coarse.nodes, coarse.tets, coarse.fixed_nodes, sum(forces), graded, threads=1)
    field = ours.solution.field
    assert off(field.von_mises, von_mises(peer.tensor)) <= MOST
    assert off(field.tensor, peer.tensor) <= MOST
    assert off(field.displacement, peer.displacement) <= MOST
    assert off(ours.compression.von_mises, field.von_mises) > 0.1  # the moments matter


def test_between_plates(coarse, graded):
    case = solve_between_plates(coarse.nodes, coarse, plan_plates(coarse), LOAD, graded)
    n, held = len(coarse.nodes), np.union1d(coarse.fixed_nodes, coarse.loaded_nodes)
    prescribed = moved(coarse, n, coarse.loaded_nodes, case.travel_mm)
    peer = calculix.solve_with_calculix(
        coarse.nodes, coarse.tets, held, np.zeros((n, 3)), graded, prescribed=prescribed, threads=1
    )
    field = case.solution.field
    assert off(field.von_mises, von_mises(peer.tensor)) <= MOST
    assert off(field.displacement, peer.displacement) <= MOST


def test_between_caps(coarse, graded):
    """CalculiX averages cement and bone where they meet, the field is that of the bone: so those nodes are left out."""
    capped = CappedMesh.of(coarse)
    case = solve_between_caps(coarse.nodes, coarse, capped, LOAD, graded)
    points, whole = capped.points(coarse.nodes, coarse), capped.material(graded, len(coarse.tets))
    held, prescribed = np.union1d(capped.lower, capped.upper), moved(coarse, len(points), capped.upper, case.travel_mm)
    peer = calculix.solve_with_calculix(
        points, capped.tets, held, np.zeros_like(points), whole, prescribed=prescribed, threads=1
    )
    bone = np.setdiff1d(np.arange(len(coarse.nodes)), np.union1d(coarse.fixed_nodes, coarse.loaded_nodes))
    field = case.solution.field
    assert off(field.von_mises[bone], von_mises(peer.tensor)[bone]) <= MOST
    assert off(field.displacement, peer.displacement[: len(coarse.nodes)]) <= MOST

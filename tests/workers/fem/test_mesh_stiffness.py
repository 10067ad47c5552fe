"""The bench's peers of the template's mesh: elements in eight, quadratic ones, and the rate at which all converge."""

from __future__ import annotations

import numpy as np
import pytest

from bench.bone_meshes import extrapolated
from bench.mesh_stiffness import CASES, CompressedBody
from bench.quadratic_tetrahedra import QuadraticElements
from bench.refined_mesh import Body, outer_triangles
from tests.workers.fem.meshes import block_template, hooke, irregular_cube, signed_volumes
from workers.fem.material import Material
from workers.geometry.surface import Surface

COLUMN = block_template(4)
BODY = Body(COLUMN.nodes, COLUMN.tets, COLUMN.superior, COLUMN.inferior)
RATES = {"traction": 0.955, "plates": 0.940}
STIFFNESSES = {"traction": (17_294.0, 16_183.0), "plates": (18_848.0, 17_610.0)}
"""As measured: N/mm on the finest of three meshes, and where they lead."""
YOUNG = 500.0 * np.exp(np.sin(COLUMN.nodes[COLUMN.tets].mean(axis=1) @ [0.3, -0.2, 0.4]))


def test_a_refined_body_is_the_same_body():
    refined, ten = BODY.refined()
    volumes = signed_volumes(refined.points, refined.tets).reshape(-1, 8)
    np.testing.assert_allclose(volumes, np.tile(signed_volumes(BODY.points, BODY.tets)[:, None] / 8.0, 8), rtol=1e-9)
    np.testing.assert_array_equal(ten[:, :4], BODY.tets)
    for coarse, fine in ((BODY.superior, refined.superior), (BODY.inferior, refined.inferior)):
        own = Surface(refined.points, fine).triangle_vectors.reshape(-1, 4, 3)
        whole = Surface(BODY.points, coarse).triangle_vectors
        np.testing.assert_allclose(own.sum(axis=1), whole, atol=1e-12)
    assert len(outer_triangles(refined.tets)) == 4 * len(outer_triangles(BODY.tets))


def test_quadratic_elements_hold_a_quadratic_displacement_exactly():
    """The energy of u = (x y, z^2, x z), whose strain is linear, against the integral over the unit cube."""
    points, tets = irregular_cube(3)
    refined, ten = Body(points, tets, tets[:1, :3], tets[:1, :3]).refined()
    x, y, z = refined.points.T
    displacement = np.stack([x * y, z**2, x * z], axis=1)
    forces = QuadraticElements(refined.points, ten, Material.of_elements(np.full(len(tets), 500.0))).forces(
        displacement
    )
    np.testing.assert_allclose(forces.sum(axis=0), 0.0, atol=1e-9)
    assert np.vdot(forces, displacement) == pytest.approx(_energy(), rel=1e-10)


def _energy() -> float:
    """Stress times strain over the cube, by a Gauss rule that is exact for it."""
    place, weight = np.polynomial.legendre.leggauss(3)
    grid = np.stack(np.meshgrid(*[(place + 1.0) / 2.0] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    weights = np.prod(np.meshgrid(*[weight / 2.0] * 3, indexing="ij"), axis=0).ravel()
    x, y, z = grid.T
    nothing = np.zeros_like(x)
    gradient = np.array([[y, x, nothing], [nothing, nothing, 2.0 * z], [z, nothing, x]]).transpose(2, 0, 1)
    strain = (gradient + gradient.transpose(0, 2, 1)) / 2.0
    return float(weights @ np.einsum("pij,pij->p", hooke(strain, Material()), strain))


@pytest.mark.parametrize("case", CASES)
def test_the_stiffness_converges_at_the_rate_of_a_clamped_rim(case):
    """With the first power of the size, since the stress is infinite there. Quadratic elements lead to the same."""
    bodies, moduli = [BODY], [YOUNG]
    for _ in range(2):
        refined, ten = bodies[-1].refined()
        bodies, moduli = [*bodies, refined], [*moduli, np.repeat(moduli[-1], 8)]
    plans = [CompressedBody(body, case) for body in bodies]
    first, second, third = (
        plan.stiffness(body.points, young) for plan, body, young in zip(plans, bodies, moduli, strict=True)
    )
    exponent = np.log2((first - second) / (second - third))
    assert exponent == pytest.approx(RATES[case], abs=0.02)
    limit = extrapolated(second, third, exponent)
    assert [third, limit] == pytest.approx(STIFFNESSES[case], rel=1e-3)
    quadratic = plans[2].stiffness(bodies[2].points, moduli[2], (ten, moduli[1]))
    assert limit < quadratic < third  # its error is smaller, but at a clamped rim of no higher power
    assert quadratic - limit < 0.6 * (third - limit)  # measured: 0.46

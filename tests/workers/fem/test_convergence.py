"""Rates of convergence on a manufactured solution."""

from __future__ import annotations

import numpy as np

from tests.workers.fem.meshes import hooke, on_boundary, six, structured_cube
from workers.fem.linear_tetrahedra import element_stress, shape_gradients
from workers.fem.material import Material
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan

BONE = Material()
WAVES = (
    (np.array([0.3, -0.2, 0.5]), np.array([2.0, 1.0, -1.5])),
    (np.array([-0.4, 0.6, 0.1]), np.array([-1.0, 2.5, 2.0])),
)
"""u(x) = sum of a sin(k.x + 0.3), with amplitudes a and wave vectors k."""
_A, _B = (5.0 + 3.0 * np.sqrt(5.0)) / 20.0, (5.0 - np.sqrt(5.0)) / 20.0
GAUSS = np.where(np.eye(4) == 1.0, _A, _B)
"""Barycentric coordinates of the 4-point rule, exact to degree 2; equal weights."""


def displacement(x):
    return sum(np.sin(x @ k + 0.3)[..., None] * a for a, k in WAVES)


def stress(x):
    gradient = sum(np.cos(x @ k + 0.3)[..., None, None] * np.outer(a, k) for a, k in WAVES)
    return six(hooke(0.5 * (gradient + np.swapaxes(gradient, -1, -2)), BONE))


def body_force(x):
    """-div stress, worked out by hand."""
    lam, mu = BONE.lame
    return sum(np.sin(x @ k + 0.3)[..., None] * ((lam + mu) * (a @ k) * k + mu * (k @ k) * a) for a, k in WAVES)


def test_the_manufactured_body_force_balances_the_stress():
    """Divergence by central differences, so that the rates below cannot rest on a slip of the pen."""
    x, h = np.random.default_rng(0).random((20, 3)), 1e-5
    index = np.array([[0, 3, 5], [3, 1, 4], [5, 4, 2]])
    divergence = np.zeros((20, 3))
    for axis in range(3):
        step = h * np.eye(3)[axis]
        divergence += ((stress(x + step) - stress(x - step)) / (2.0 * h))[:, index[:, axis]]
    np.testing.assert_allclose(-divergence, body_force(x), atol=1e-5 * BONE.young_mpa)


ERROR_24 = (0.0015814, 0.043439, 0.011828)
"""Errors on 24 cells an edge, as measured."""


def errors(cells):
    """L2 errors of displacement, of element stress and of nodal stress, relative."""
    points, tets = structured_cube(cells)
    gradient, volume = shape_gradients(points, tets)
    x = np.einsum("qa,taj->tqj", GAUSS, points[tets])
    force = np.zeros_like(points)
    np.add.at(force, tets, 0.25 * volume[:, None, None] * np.einsum("qa,tqj->taj", GAUSS, body_force(x)))
    plan = SolvePlan(tets, len(points), on_boundary(points))
    field = solve(points, plan, force, prescribed=displacement(points)).field

    def relative(got, exact):
        weight = 0.25 * volume[:, None, None]
        return np.sqrt((weight * (got - exact) ** 2).sum() / (weight * exact**2).sum())

    u = np.einsum("qa,taj->tqj", GAUSS, field.displacement[tets])
    nodal = np.einsum("qa,taj->tqj", GAUSS, field.tensor[tets])
    constant = element_stress(field.displacement, gradient, tets, BONE)[:, None]
    return relative(u, displacement(x)), relative(constant, stress(x)), relative(nodal, stress(x))


def test_rates_on_a_manufactured_solution():
    cells = np.array([4, 8, 16, 24])
    error = np.array([errors(n) for n in cells])
    rate = -np.diff(np.log(error), axis=0) / np.diff(np.log(cells))[:, None]
    assert (rate[:, 0] > 1.8).all()
    assert (rate[:, 1] > 0.9).all()
    np.testing.assert_allclose(rate[-1, :2], [2.0, 1.0], atol=0.06)
    assert rate[-1, 2] > 1.3  # averaging at nodes gains half an order and more
    np.testing.assert_allclose(error[-1], ERROR_24, rtol=0.01)

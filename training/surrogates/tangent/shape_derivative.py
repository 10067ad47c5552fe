"""Exact shape derivatives of the finite-element stress at one solved mesh.

When the nodes move by d, K u = f gives K du = df - dK u, and the stress follows from du and d. With grad(.) the
gradient on an element, V its volume, g_a the gradients of its shape functions, s(.) the stress of a gradient:

    grad(u)' = grad(u1) - grad(u) grad(d),   g_a' = -grad(d)^T g_a,   V' = V tr grad(d),   f_a = V s(grad u) g_a
"""

from __future__ import annotations

import numba as nb
import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from models.template import Template
from models.types import Floats
from workers.fem.assembly import assemble_stiffness
from workers.fem.block_sparse import multiply_blocks
from workers.fem.linear_tetrahedra import shape_gradients
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.material import Material
from workers.fem.multigrid import Multigrid
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan
from workers.fem.stress_recovery import average_at_nodes

TOLERANCE = 1e-6
"""Relative residual of a derivative's solve; the derivative itself is used to about three digits."""
MAX_ITERATIONS = 200
"""Of that solve; a sound mesh takes far fewer."""
LOAD_STEP = 1e-3
"""Step of the central difference of the traction, which is smooth and costs little."""


@nb.njit(cache=True)
def _gradient(values, gradient, corners, out):  # type: ignore[no-untyped-def]
    """Write the gradient (3, 3) on one element of nodal values (n, 3) to `out`."""
    out[:] = 0.0
    for a in range(4):
        for r in range(3):
            for c in range(3):
                out[r, c] += values[corners[a], r] * gradient[a, c]


@nb.njit(cache=True)
def _elastic_stress(g, lam, mu, out):  # type: ignore[no-untyped-def]
    """Write the stress (3, 3) of a displacement gradient to `out`."""
    trace = lam * (g[0, 0] + g[1, 1] + g[2, 2])
    for r in range(3):
        for c in range(3):
            out[r, c] = mu * (g[r, c] + g[c, r])
        out[r, r] += trace


@nb.njit(parallel=True, cache=True)
def _force_change(d, u, gradient, volume, tets, start, incident, lam, mu):  # type: ignore[no-untyped-def]
    """Change of the internal nodal forces (n, 3) at fixed u when the nodes move by d."""
    m = len(tets)
    part = np.empty((m, 4, 3))
    for t in nb.prange(m):
        gu, gd, dgu = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
        s, ds = np.empty((3, 3)), np.empty((3, 3))
        _gradient(u, gradient[t], tets[t], gu)
        _gradient(d, gradient[t], tets[t], gd)
        for r in range(3):
            for c in range(3):
                dgu[r, c] = -(gu[r, 0] * gd[0, c] + gu[r, 1] * gd[1, c] + gu[r, 2] * gd[2, c])
        _elastic_stress(gu, lam, mu, s)
        _elastic_stress(dgu, lam, mu, ds)
        trace = gd[0, 0] + gd[1, 1] + gd[2, 2]
        for a in range(4):
            for r in range(3):
                value = 0.0
                for c in range(3):
                    g = gradient[t, a, c]
                    dg = 0.0
                    for k in range(3):
                        dg -= gradient[t, a, k] * gd[k, c]
                    value += (trace * s[r, c] + ds[r, c]) * g + s[r, c] * dg
                part[t, a, r] = volume[t] * value
    out = np.zeros((len(start) - 1, 3))
    for node in nb.prange(len(start) - 1):
        for k in range(start[node], start[node + 1]):
            t = incident[k]
            a = 0
            while tets[t, a] != node:
                a += 1
            for r in range(3):
                out[node, r] += part[t, a, r]
    return out


@nb.njit(parallel=True, cache=True)
def _stress_change(d, u, du, gradient, tets, lam, mu):  # type: ignore[no-untyped-def]
    """Change of the element stresses (m, 6) when the nodes move by d and the displacement changes by du."""
    out = np.empty((len(tets), 6))
    for t in nb.prange(len(tets)):
        gu, gd, g, s = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
        _gradient(u, gradient[t], tets[t], gu)
        _gradient(d, gradient[t], tets[t], gd)
        _gradient(du, gradient[t], tets[t], g)
        for r in range(3):
            for c in range(3):
                g[r, c] -= gu[r, 0] * gd[0, c] + gu[r, 1] * gd[1, c] + gu[r, 2] * gd[2, c]
        _elastic_stress(g, lam, mu, s)
        for r in range(3):
            out[t, r] = s[r, r]
        out[t, 3], out[t, 4], out[t, 5] = s[0, 1], s[1, 2], s[2, 0]
    return out


class SolvedMesh:
    """A solved mesh, ready to be differentiated.

    Parameters
    ----------
    points
        (n, 3) float64, mm, in the template's topology.
    template
        Gives the endplates.
    plan
        The template's.

    Attributes
    ----------
    displacement, tensor
        (n, 3) float64, mm, and (n, 6) float64, MPa: the solution under the reference load.
    """

    def __init__(self, points: Floats, template: Template, plan: SolvePlan) -> None:
        self.points, self.template, self.plan = points, template, plan
        self.material = Material()
        self.gradient, self.volume = shape_gradients(points, plan.pattern.tets)
        field = solve(points, plan, self._force(points), self.material).field
        assert field.displacement is not None
        assert field.tensor is not None
        self.displacement, self.tensor = field.displacement, field.tensor
        matrix = assemble_stiffness(plan.pattern, self.gradient, self.volume, self.material)
        self.blocks = plan.impose_dirichlet(matrix.data)
        self.preconditioner = Multigrid(plan.hierarchy, self.blocks, points)

    def _force(self, points: Floats) -> Floats:
        return endplate_traction(points, self.template.superior, self.template.inferior, REFERENCE_LOAD_NEWTON)

    def derivative(self, direction: Floats) -> tuple[Floats, Floats]:
        """Return the derivatives of displacement (n, 3) mm and nodal stress (n, 6) MPa along `direction` (n, 3) mm.

        Raises
        ------
        RuntimeError
            The linear solver did not converge.
        """
        pattern = self.plan.pattern
        lam, mu = self.material.lame
        d = np.ascontiguousarray(direction, np.float64)
        forward, backward = (self._force(self.points + h * d) for h in (LOAD_STEP, -LOAD_STEP))
        right = (forward - backward) / (2.0 * LOAD_STEP) - _force_change(
            d,
            self.displacement,
            self.gradient,
            self.volume,
            pattern.tets,
            pattern.incidence.start,
            pattern.incidence.tets,
            lam,
            mu,
        )
        right[self.plan.fixed] = 0.0
        du = self._solve(right)
        change = _stress_change(d, self.displacement, du, self.gradient, pattern.tets, lam, mu)
        return du, average_at_nodes(change, np.ones(len(change)), pattern.incidence)

    def _solve(self, right: Floats) -> Floats:
        """Return K^-1 times the right-hand side (n, 3), zero at the clamped nodes."""
        pattern, shape = self.plan.pattern, (right.size, right.size)
        out = np.empty_like(right)

        def multiply(x: Floats) -> Floats:
            multiply_blocks(self.blocks, pattern.indptr, pattern.indices, np.ascontiguousarray(x).reshape(-1, 3), out)
            return out.ravel().copy()

        solution, failed = cg(
            LinearOperator(shape, matvec=multiply, dtype=np.float64),
            right.ravel(),
            rtol=TOLERANCE,
            maxiter=MAX_ITERATIONS,
            M=LinearOperator(shape, matvec=self.preconditioner, dtype=np.float64),
        )
        if failed:
            raise RuntimeError(
                f"the derivative's solve did not reach {TOLERANCE:g} in {MAX_ITERATIONS} iterations: the mesh is poor"
            )
        return solution.reshape(-1, 3)

"""Conjugate gradients that know a bound of their error, and stop at it.

The energy of the error e is e' A e. The root of that over the solution's energy is the relative error in the energy
norm: a mean of the stress error over the volume. Conjugate gradients give a bound of it for nothing, the Gauss-Radau
quadrature of Golub and Meurant, in the form of Meurant and Tichý ("On computing quadrature-based bounds for the A-norm
of the error in conjugate gradients", Numer Algor 62(2), 2013). It needs a number below the eigenvalues of M^-1 A.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.types import Floats, Singles
from workers.fem.errors import NotConverged
from workers.fem.gradient_steps import advance, inner_product, turn

LEAST_EIGENVALUE = 0.02
"""Taken to be below the eigenvalues of M^-1 A with `workers.fem.two_level`: in a trial on 33 real vertebrae the least
was 0.020 to 0.15. It is halved where the iteration itself shows that an eigenvalue is smaller; until then the bound of
such a shape may be too small."""
MAX_CYCLES = 60
"""In a trial real vertebrae took 7 to 23 from zero to an error of 5e-5."""


class Preconditioned(Protocol):
    """A matrix A with its preconditioner M, both in float32: vectors are (n, 3)."""

    def residual(self, b: Singles, x: Singles, /) -> Singles:
        """Return b - A x."""

    def correct(self, b: Singles, /) -> tuple[Singles, Singles]:
        """Return M^-1 b, and what `product` needs."""

    def product(self, b: Singles, swept: Singles, /) -> Singles:
        """Return A M^-1 b."""


@dataclass(frozen=True)
class Iterate:
    """Where conjugate gradients stopped.

    Attributes
    ----------
    displacement
        (n, 3) float64.
    cycles
        Applications of the preconditioner that led there.
    energy_error
        Bound of the error in the energy norm, over the energy norm of the solution.
    """

    displacement: Floats
    cycles: int
    energy_error: float


def solve_to_energy_error(
    system: Preconditioned, force: Floats, tolerance: float, start: Floats | None = None
) -> Iterate:
    """Solve A x = f until the bound of the relative error in the energy norm is small enough.

    Parameters
    ----------
    system
        A and M.
    force
        f (n, 3) float64.
    tolerance
        To stop at.
    start
        (n, 3) float64; zero by default.

    Raises
    ------
    NotConverged
        The bound is above `tolerance` after `MAX_CYCLES`, or M^-1 A has an eigenvalue that is not positive.
    """
    x = np.zeros_like(force) if start is None else start.copy()
    r = force.astype(np.float32)
    if start is not None:
        r = system.residual(r, start.astype(np.float32))
    p, q, product, bound = np.zeros_like(r), np.zeros_like(r), 1.0, np.inf
    steps: list[float] = []
    ratios: list[float] = []
    for cycle in range(MAX_CYCLES + 1):
        z, swept = system.correct(r)
        previous, product = product, inner_product(r, z)
        if not product >= 0.0:
            break
        if cycle:
            ratios.append(product / previous)
        energy = float(np.vdot(x, force))
        bound = np.sqrt(radau_factor(steps, ratios) * product / energy) if energy > 0.0 else np.inf
        if bound <= tolerance or product == 0.0:
            return Iterate(x, cycle, float(bound))
        ratio = np.float32(ratios[-1] if cycle else 0.0)
        steps.append(product / turn(p, q, z, system.product(r, swept), ratio))
        advance(x, r, p, q, steps[-1])
    raise NotConverged(
        "The linear solver did not converge; the mesh is probably distorted.",
        expected=f"relative error in the energy norm <= {tolerance:g} within {MAX_CYCLES} cycles",
        got=f"{bound:.1e} after {cycle} cycles",
    )


def radau_factor(steps: Sequence[float], ratios: Sequence[float]) -> float:
    """Return the factor that turns r' M^-1 r into a bound of the error's energy.

    Parameters
    ----------
    steps, ratios
        Of each iteration so far: the length along the search direction, and r' M^-1 r after over before.
    """
    least = LEAST_EIGENVALUE
    while True:
        factor = 1.0 / least
        for step, ratio in zip(steps, ratios, strict=True):
            factor = (factor - step) / (least * (factor - step) + ratio)
            if factor <= 0.0:
                break
        else:
            return factor
        least /= 2.0

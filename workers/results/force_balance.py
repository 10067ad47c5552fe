"""The report's check of a solution: the support must carry the load."""

from __future__ import annotations

import numpy as np

from app.contract.report import Equilibrium
from models.types import Floats


def force_balance(reaction: Floats, applied: Floats, pushed_newton: float | None = None) -> Equilibrium:
    """Compare the total reaction at the support with the total applied load.

    Parameters
    ----------
    reaction, applied
        (3,) N, RAS+ axes.
    pushed_newton
        Sum of the sizes of the applied forces, N: with moments more than their total. None: the size of `applied`.
    """
    whole = np.linalg.norm(applied) if pushed_newton is None else pushed_newton
    residual = float(np.linalg.norm(reaction + applied) / whole)
    x, y, z = (float(v) for v in reaction)
    return Equilibrium(reaction_ras_newton=(x, y, z), relative_residual=residual)

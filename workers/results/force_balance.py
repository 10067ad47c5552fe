"""The report's check of a solution: the support must carry the load."""

from __future__ import annotations

import numpy as np

from app.contract.report import Equilibrium
from models.types import Floats


def force_balance(reaction: Floats, applied: Floats) -> Equilibrium:
    """Compare the total reaction (3,) at the support with the total applied load (3,), both N, RAS+ axes."""
    residual = float(np.linalg.norm(reaction + applied) / np.linalg.norm(applied))
    x, y, z = (float(v) for v in reaction)
    return Equilibrium(reaction_ras_newton=(x, y, z), relative_residual=residual)

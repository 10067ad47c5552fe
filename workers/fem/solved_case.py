"""The solution of a load case, and the part of it that is compression alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.types import Floats
from workers.fem.field import StressField
from workers.fem.solve import Solution


@dataclass(frozen=True)
class SolvedCase:
    """A solved load case.

    Attributes
    ----------
    solution
        Of the whole load.
    applied
        (3,) float64, N: the total force that is applied.
    compression
        The field of the compression alone, where a moment acts beside it; else None.
    travel_mm
        How far the plate or cap that presses went; None where there is none.
    pushed_newton
        Sum of the sizes of the nodal forces of compression and moments, N; None where they are compression alone.
    """

    solution: Solution
    applied: Floats
    compression: StressField | None = None
    travel_mm: float | None = None
    pushed_newton: float | None = None

    @classmethod
    def superposed(cls, solutions: Sequence[Solution], forces: Sequence[Floats]) -> SolvedCase:
        """Return the sum of the solutions of the compression and of the moments: the problem is linear.

        Parameters
        ----------
        solutions
            Of the compression, and of the moments.
        forces
            Their nodal forces (n, 3), N.
        """
        compression, bending = solutions
        whole = replace(
            compression,
            field=StressField.superposed(compression.field, bending.field),
            reaction=compression.reaction + bending.reaction,
            iterations=compression.iterations + bending.iterations,
            energy_error=max(compression.energy_error, bending.energy_error),
        )
        pushed = sum(float(np.linalg.norm(force, axis=1).sum()) for force in forces)
        return cls(whole, forces[0].sum(axis=0), compression.field, pushed_newton=pushed)

"""The stress field of one vertebra at the nodes of its mesh."""

from __future__ import annotations

from dataclasses import dataclass

from models.types import Floats
from workers.fem.stress import principal_stresses, von_mises


@dataclass(frozen=True)
class StressField:
    """Nodal stress and displacement; world frame RAS+, node order of the template.

    Attributes
    ----------
    tensor
        (n, 6) float64, MPa, Cauchy stress xx, yy, zz, xy, yz, zx; None where a surrogate predicts its invariants alone.
    principal
        (n, 3) float64, MPa, s1 >= s2 >= s3 (tension positive).
    von_mises
        (n,) float64, MPa.
    displacement
        (n, 3) float64, mm; None where a surrogate predicts the stress alone.
    """

    tensor: Floats | None
    principal: Floats
    von_mises: Floats
    displacement: Floats | None

    @classmethod
    def superposed(cls, first: StressField, second: StressField) -> StressField:
        """Return the sum of two solutions: tensors and displacements add up, invariants follow from the tensor."""
        (a, u), (b, v) = ((field.tensor, field.displacement) for field in (first, second))
        assert a is not None
        assert b is not None
        assert u is not None
        assert v is not None
        return cls(a + b, principal_stresses(a + b), von_mises(a + b), u + v)

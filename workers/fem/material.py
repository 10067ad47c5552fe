"""The material of the bone."""

from __future__ import annotations

from dataclasses import dataclass

from models.types import Floats, Reals


@dataclass(frozen=True, eq=False)
class Material:
    """Isotropic linear elasticity; by default the paper's bone (section II.A).

    Attributes
    ----------
    young_mpa
        Young's modulus E, MPa; that of the reference where the elements differ.
    poisson
        Poisson's ratio, in (-1, 0.5), the same everywhere.
    grade
        (m,) float64: each element's modulus over `young_mpa`. None: the bone is homogeneous.
    """

    young_mpa: float = 500.0
    poisson: float = 0.3
    grade: Floats | None = None

    @classmethod
    def of_elements(cls, young_mpa: Floats) -> Material:
        """Return the material of elements with their own Young's moduli (m,), MPa, all positive.

        Raises
        ------
        ValueError
            A modulus is not positive.
        """
        if not young_mpa.min() > 0.0:
            raise ValueError(f"expected Young's moduli > 0 MPa, got {young_mpa.min():g}")
        return cls(grade=young_mpa / cls.young_mpa)

    def stiffened(self, volume: Reals) -> Reals:
        """Return the volumes (m,), mm^3, times the grades: what a stiffness matrix at `young_mpa` is assembled with.

        An element's stiffness is proportional to its modulus and to its volume, so that one may stand for the other.
        """
        return volume if self.grade is None else (volume * self.grade).astype(volume.dtype)

    @property
    def lame(self) -> tuple[float, float]:
        """Lamé's first parameter lambda and the shear modulus mu, MPa."""
        e, nu = self.young_mpa, self.poisson
        return e * nu / ((1.0 + nu) * (1.0 - 2.0 * nu)), e / (2.0 * (1.0 + nu))

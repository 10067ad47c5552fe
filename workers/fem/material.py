"""The material of the bone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Material:
    """Isotropic linear elasticity; by default the paper's bone (section II.A).

    Attributes
    ----------
    young_mpa
        Young's modulus E, MPa.
    poisson
        Poisson's ratio, in (-1, 0.5).
    """

    young_mpa: float = 500.0
    poisson: float = 0.3

    @property
    def lame(self) -> tuple[float, float]:
        """Lamé's first parameter lambda and the shear modulus mu, MPa."""
        e, nu = self.young_mpa, self.poisson
        return e * nu / ((1.0 + nu) * (1.0 - 2.0 * nu)), e / (2.0 * (1.0 + nu))

"""Similarity transforms: rotation, isotropic scale and translation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats, Reals


@dataclass(frozen=True)
class Similarity:
    """The map x -> scale * rotation @ x + translation.

    Attributes
    ----------
    scale
        Positive, no unit.
    rotation
        (3, 3) float64, determinant 1.
    translation
        (3,) float64, mm.
    """

    scale: float
    rotation: Floats
    translation: Floats

    def apply(self, points: Floats) -> Floats:
        """Map points (n, 3)."""
        return self.scale * points @ self.rotation.T + self.translation

    def apply_inverse(self, points: Floats) -> Floats:
        """Map points (n, 3) back."""
        return (points - self.translation) @ self.rotation / self.scale

    @classmethod
    def between(cls, x: Floats, y: Floats, weights: Reals | None = None) -> Similarity:
        """Return the least-squares similarity from x (n, 3) to y (n, 3) (Umeyama, IEEE TPAMI 13(4), 1991).

        `weights` (n,) are not negative; by default every pair counts alike.
        """
        w = np.full(len(x), 1.0 / len(x)) if weights is None else weights / weights.sum()
        mean_x, mean_y = w @ x, w @ y
        u, d, vt = np.linalg.svd((y - mean_y).T @ ((x - mean_x) * w[:, None]))
        sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])  # never a reflection
        rotation = (u * sign) @ vt
        scale = float((d * sign).sum() / (w @ np.square(x - mean_x).sum(axis=1)))
        return cls(scale, rotation, mean_y - scale * rotation @ mean_x)

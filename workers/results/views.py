"""Orthographic views of a vertebra: their axes in the world, and the letters that name directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats

AXIS_LETTERS = (("R", "L"), ("A", "P"), ("S", "I"))
"""Letters of the (+, -) ends of the axes: RAS+ runs to the patient's right, anterior and superior."""
LEAST_SHARE = 0.45
"""Component of a unit vector above which its axis is named: a direction up to 27° off an axis has one letter, one
between two axes has two."""


@dataclass(frozen=True)
class View:
    """An orthographic camera.

    Attributes
    ----------
    right, up, toward
        (3,) float64 unit vectors in world axes: to the right of the picture, to its top, and to the viewer.
    """

    right: Floats
    up: Floats
    toward: Floats

    @classmethod
    def looking_from(cls, toward: tuple[float, float, float], up: tuple[float, float, float] = (0, 0, 1)) -> View:
        """Build the view of a viewer who stands at `toward` (RAS+ direction), with `up` upright."""
        d = np.asarray(toward, np.float64) / np.linalg.norm(toward)
        right = np.cross(np.asarray(up, np.float64), d)
        right /= np.linalg.norm(right)
        return cls(right, np.cross(d, right), d)

    def project(self, vectors: Floats) -> Floats:
        """Express (n, 3) world vectors in (right, up, toward) coordinates."""
        return vectors @ np.stack([self.right, self.up, self.toward], axis=1)


def direction_letters(direction: Floats) -> str:
    """Name a unit vector (3,) by its main axes, e.g. ``"A"`` or, between two, ``"SA"`` (largest first)."""
    order = np.argsort(-np.abs(direction), kind="stable")
    named = [axis for axis in order if abs(direction[axis]) > LEAST_SHARE]
    return "".join(AXIS_LETTERS[axis][0 if direction[axis] > 0 else 1] for axis in named)

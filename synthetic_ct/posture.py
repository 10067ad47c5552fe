"""The posture and the proportions of a person: a random smooth deformation of the space around a spine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats
from synthetic_ct.rotation import rotation_matrix

SIZE_SD = (0.06, 0.06, 0.07)
"""Standard deviation of the log of width, depth and height, each on its own. Lumbar bodies vary by 6 to 9 % about
their mean in each (Panjabi et al., Spine 17(3), 1992; Zhou et al., Eur Spine J 9(3), 2000)."""
OVERALL_SIZE_SD = 0.07
"""Standard deviation of the log of a factor for all three. Wide on purpose: small women to tall men."""

CURVE_HALF_LENGTH_MM = 700.0
"""Half of the length of the bent axis, whose middle is the lumbar spine: it reaches beyond head and thighs."""
CURVE_POINTS = 281
"""Points of the bent axis: one every 5 mm."""
CURVATURE_SD = (7e-4, 4e-4, 5e-4)
"""Deviation of the even bending in the sagittal and the coronal plane, and of the twist, radians a mm. Over 300 mm
these are 12, 7 and 9 degrees. Chosen by eye."""
WAVE_CURVATURE_SD = 8e-4
"""Deviation of the bending that changes its direction along the spine, radians a mm. Chosen by eye."""
WAVE_LENGTH_MM = (60.0, 140.0)
"""Length of one radian of that change: a full wave takes 380 to 880 mm. Chosen by eye."""
WAVE_STEP_MM = (5.0, 2.0)
"""Factors that turn the sum of a wave's curvature over the points into an angle, in the sagittal and the coronal plane.
The first is the distance of the points. The second is smaller, because a scoliosis is rarer than a round back."""
MOST_BEND = 0.4
"""Largest angle at any height, radians (23 degrees). More would push neighbouring vertebrae into each other."""
TILT_SD_DEG = (6.0, 4.0, 6.0)
"""Deviation of the rotations about x, y and z by which a person lies askew on the couch. Chosen by eye on real CTs."""

RIPPLES = 8
"""Number of sine waves of displacement."""
RIPPLE_LENGTH_MM = (60.0, 200.0)
"""Length of a ripple with a wave vector of deviation 1: it changes the shape of one vertebra, or the relation of a
few. Chosen by eye."""
RIPPLE_SD_MM = 1.0
"""Deviation of a ripple's amplitude along each axis. Chosen by eye."""
FULL_PHASE = 6.3
"""Upper end of random phases, radians: 2 pi, rounded up."""


@dataclass(frozen=True)
class Ripple:
    """One sine wave of displacement: `amplitude` (3,) mm times the sine of points . `wave_vector` (3,) + `phase`."""

    wave_vector: Floats
    phase: float
    amplitude: Floats

    @classmethod
    def draw(cls, random: np.random.Generator) -> Ripple:
        """Return a random ripple."""
        direction = random.normal(0.0, 1.0, 3)
        wave_vector = direction * 2.0 * np.pi / random.uniform(*RIPPLE_LENGTH_MM)
        return cls(wave_vector, random.uniform(0.0, FULL_PHASE), random.normal(0.0, RIPPLE_SD_MM, 3))

    def move(self, points: Floats) -> Floats:
        """Return points (n, 3) mm after the displacement."""
        return points + self.amplitude * np.sin(points @ self.wave_vector + self.phase)[:, None]


@dataclass(frozen=True)
class Posture:
    """A smooth deformation of space: size, bending along the z axis, ripples, tilt.

    Attributes
    ----------
    size
        (3,) factors along x, y and z.
    heights
        (n,) z of the axis' points before bending, mm.
    turns
        (n, 3, 3) rotation of the plane through each point.
    curve
        (n, 3) the axis' points after bending, mm.
    tilt
        (3, 3) rotation of the whole person, after everything else.
    ripples
        Small displacements before the tilt.
    """

    size: Floats
    heights: Floats
    turns: Floats
    curve: Floats
    tilt: Floats
    ripples: tuple[Ripple, ...]

    @classmethod
    def draw(cls, random: np.random.Generator) -> Posture:
        """Return a random posture."""
        size = np.exp(random.normal(0.0, SIZE_SD) + random.normal(0.0, OVERALL_SIZE_SD))
        z = np.linspace(-CURVE_HALF_LENGTH_MM, CURVE_HALF_LENGTH_MM, CURVE_POINTS)
        turns = np.stack([rotation_matrix(angles) for angles in _bends(random, z).T])
        curve = np.cumsum(turns[:, :, 2], axis=0) * (z[1] - z[0])
        curve -= curve[len(z) // 2]
        tilt = rotation_matrix(np.radians(random.normal(0.0, TILT_SD_DEG)))
        return cls(size, z, turns, curve, tilt, tuple(Ripple.draw(random) for _ in range(RIPPLES)))

    def move(self, points: Floats) -> Floats:
        """Return points (n, 3) mm after the deformation; the origin is the middle of the lumbar spine."""
        p = self._bend(points * self.size)
        for ripple in self.ripples:
            p = ripple.move(p)
        return np.asarray(p @ self.tilt.T)

    def _bend(self, points: Floats) -> Floats:
        """Return points (n, 3) mm turned about the bent axis at their height, and moved with it."""
        z = self.heights
        position = np.clip((points[:, 2] - z[0]) / (z[1] - z[0]), 0, len(z) - 1.001)  # i + 1 stays in the array
        i = position.astype(int)
        f = (position - i)[:, None]
        turn = self.turns[i] * (1 - f)[..., None] + self.turns[i + 1] * f[..., None]
        middle = self.curve[i] * (1 - f) + self.curve[i + 1] * f
        flat = np.column_stack([points[:, 0], points[:, 1], np.zeros(len(points))])
        return np.asarray(middle + np.einsum("nij,nj->ni", turn, flat))


def _bends(random: np.random.Generator, z: Floats) -> Floats:
    """Return (3, n) rotation about x, y and z at each height `z` (n,), radians: even curvature and a wave."""
    curvature = random.normal(0.0, CURVATURE_SD)
    strength = random.normal(0.0, WAVE_CURVATURE_SD, 2)[:, None]
    wave = strength * np.cos(z / random.uniform(*WAVE_LENGTH_MM) + random.uniform(0.0, FULL_PHASE))
    waves = [np.cumsum(wave[0]) * WAVE_STEP_MM[0], np.cumsum(wave[1]) * WAVE_STEP_MM[1], 0.0 * z]
    return np.asarray(np.clip(curvature[:, None] * z + np.stack(waves), -MOST_BEND, MOST_BEND))

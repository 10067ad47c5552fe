"""Metal in bone."""

from __future__ import annotations

import numpy as np

from models.types import Singles
from synthetic_ct.anatomy import Anatomy


def add_metal(random: np.random.Generator, hu: Singles, anatomy: Anatomy, share: float = 0.04) -> None:
    """Now and then add screws or cement within bone, with streaks through the slices they lie in, in place."""
    if random.random() > share:
        return
    spots = np.argwhere((anatomy.depth > 2.0) & (anatomy.bone > 0))
    if not len(spots):
        return
    h = anatomy.grid.spacing
    axes = [np.arange(n, dtype=np.float32) for n in hu.shape]
    for _ in range(random.integers(1, 5)):
        at = spots[random.integers(len(spots))]
        direction = np.array([random.normal(0.0, 0.4), 1.0, random.normal(0.0, 0.2)])
        direction /= np.linalg.norm(direction)
        offset = [a.reshape([-1 if i == j else 1 for i in range(3)]) - at[j] for j, a in enumerate(axes)]
        along = sum(o * d for o, d in zip(offset, direction, strict=True))
        square = sum(o * o for o in offset) - along**2
        screw = (square < (random.uniform(2.0, 4.0) / h) ** 2) & (np.abs(along) < random.uniform(10.0, 28.0) / h)
        hu[screw] = random.uniform(1800.0, 8000.0)
        angle = np.arctan2(offset[1], offset[0])[:, :, 0]
        away = np.hypot(offset[0], offset[1])[:, :, 0] * h
        rays = np.cos(random.integers(3, 9) * angle + random.uniform(0.0, 6.3)) ** 3
        streak = random.uniform(50.0, 400.0) * rays * np.exp(-away / random.uniform(20.0, 60.0))
        touched = np.flatnonzero(screw.any(axis=(0, 1)))
        hu[:, :, touched] += np.where(screw[:, :, touched], 0.0, streak[:, :, None]).astype(np.float32)

"""Find the row of vertebral bodies around a level and collect the evidence of each: appearance and landmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.types import Floats
from workers.imaging.resampling import COARSE_MM
from workers.locate.landmark_network import Landmarks, SacralPosition
from workers.locate.levels import LEVELS, S1, T11
from workers.locate.locator import CLASSES, RIB, SACRUM, LocatorMaps
from workers.locate.spine_axis import SpineAxis, trace_spine_axis
from workers.locate.spine_walk import FindBody, walk_spine

FindLandmarks = Callable[[Floats], Landmarks]
"""From the body centre (3,) mm of a vertebra to its landmarks."""
CLASS_OF_LEVEL = np.array([CLASSES.index(v) if v in CLASSES else 1 for v in LEVELS[:-1]] + [SACRUM])
"""The locator's class of each level: it does not tell the upper levels apart, and S1 is sacrum."""
LEVELS_OF_CLASS = np.bincount(CLASS_OF_LEVEL, minlength=len(CLASSES))
"""How many levels share each class of the locator."""
LEAST_BONE = 0.5
"""Share of vertebra or sacrum about a point of the axis, below which its level is not asked for."""
OUT_OF_REACH = 10.0
"""Added, in levels, to the distance of a point without bone."""
APPEARANCE_RADIUS_MM = 10.0
"""Radius of the ball about a body centre over which the locator's classes are averaged."""
FIRST_TRIES_MM = (0.0, 12.0, -12.0, 24.0, -24.0)
"""Where the first body is looked for, along the spine from the point that looks most like the level."""


@dataclass(frozen=True)
class BodyEvidence:
    """What the networks saw of one vertebral body.

    Attributes
    ----------
    centre
        (3,) mm RAS.
    strength
        Probability that this is a vertebra or sacrum at all.
    appearance
        (len(LEVELS),) probability of each level by what the body looks like to the locator.
    ribs
        Whether a rib starts at it; None where the landmark network is unsure.
    sacrum
        Whether it lies above the last vertebra, on the sacrum, or is part of it; None where the network is unsure.
    """

    centre: Floats
    strength: float
    appearance: Floats
    ribs: bool | None
    sacrum: SacralPosition | None


def collect_evidence(
    maps: LocatorMaps, vertebra: str, find_body: FindBody, find_landmarks: FindLandmarks
) -> list[BodyEvidence]:
    """Return the bodies about `vertebra`, or about where it would be nearest, from top to bottom.

    The row goes up as far as the last ribs and down as far as the sacrum, where the scan shows them.

    Parameters
    ----------
    maps
        What the locator saw of the whole CT.
    vertebra
        Level asked for.
    find_body, find_landmarks
        The segmenter and the landmark network, on this CT.
    """
    axis = trace_spine_axis(maps.mark, maps.affine)
    if axis is None:
        return []
    wanted = LEVELS.index(vertebra)
    above, below = max(wanted - T11 + 1, 2), S1 - wanted + 1
    start = _likeliest_point(maps, axis, wanted)
    for off in FIRST_TRIES_MM:
        guess = axis.along(start, off)
        row = [] if guess is None else walk_spine(axis, guess, vertebra, find_body, above, below)
        if row:
            return [_evidence_at(maps, centre, find_landmarks(centre)) for centre in row]
    return []


def _likeliest_point(maps: LocatorMaps, axis: SpineAxis, wanted: int) -> Floats:
    """Return the point (3,) of the axis whose appearance is nearest to the level wanted."""
    shares = np.array([_class_shares(maps, point) for point in axis.points])
    bone = np.maximum(shares.sum(axis=1), 1e-6)
    levels = (shares / np.maximum(LEVELS_OF_CLASS, 1))[:, CLASS_OF_LEVEL].dot(np.arange(len(LEVELS))) / bone
    off = np.abs(levels - wanted) + OUT_OF_REACH * (bone < LEAST_BONE)
    return np.asarray(axis.points[int(off.argmin())])


def _class_shares(maps: LocatorMaps, centre: Floats) -> Floats:
    """Return (len(CLASSES),) mean probability of each class of vertebra, and of the sacrum, about a point (3,) mm."""
    voxel, reach = maps.voxel(centre), APPEARANCE_RADIUS_MM / COARSE_MM
    low, high = np.maximum(np.floor(voxel - reach).astype(int), 0), np.ceil(voxel + reach).astype(int) + 1
    part = maps.classes[(slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))]
    away = np.square(np.moveaxis(np.indices(part.shape[1:]), 0, -1) + low - voxel).sum(axis=-1)
    near = away < reach**2
    shares = part[:, near].mean(axis=1, dtype=np.float64) if near.any() else np.zeros(len(CLASSES))
    shares[[0, RIB]] = 0.0
    return np.asarray(shares)


def _evidence_at(maps: LocatorMaps, centre: Floats, landmarks: Landmarks) -> BodyEvidence:
    shares = _class_shares(maps, centre)
    bone = float(shares.sum())
    return BodyEvidence(centre, bone, shares[CLASS_OF_LEVEL] / max(bone, 1e-6), landmarks.ribs, landmarks.sacrum)

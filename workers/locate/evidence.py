"""Collect the evidence of each vertebral body of the row: appearance and landmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.types import Floats
from workers.imaging.resampling import COARSE_MM
from workers.imaging.steps import Told, nobody
from workers.locate.landmark_network import Landmarks, SacralPosition
from workers.locate.levels import LEVELS
from workers.locate.locator import CLASSES, RIB, SACRUM, LocatorMaps
from workers.locate.row_search import FoundBody

FindLandmarks = Callable[[Floats], Landmarks]
"""From the body centre (3,) mm of a vertebra to its landmarks."""
CLASS_OF_LEVEL = np.array([CLASSES.index(v) if v in CLASSES else 1 for v in LEVELS[:-1]] + [SACRUM])
"""The locator's class of each level: it does not tell the upper levels apart, and S1 is sacrum."""
APPEARANCE_RADIUS_MM = 10.0
"""Radius of the ball about a body centre over which the locator's classes are averaged."""
LEAST_SHARE = 1e-6
"""Keeps the appearance finite where the locator sees no bone at all."""
SURE_HEAT = 0.75
"""Value of the row network's mark at bodies that are plain to see: it was 0.74 to 0.86 at 40 of 44 in real CTs."""
MOST_BODIES = 14
"""So many of the lowest bodies are looked at: T6 to L5 and a seventh lumbar or a sacral body."""


@dataclass(frozen=True)
class BodyEvidence:
    """What the networks saw of one vertebral body.

    Attributes
    ----------
    centre
        (3,) mm RAS.
    strength
        Probability that this is a vertebral body at all.
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
    maps: LocatorMaps, row: list[FoundBody], find_landmarks: FindLandmarks, told: Told = nobody
) -> list[BodyEvidence]:
    """Return the evidence of the lowest `MOST_BODIES` of a row, from top to bottom.

    Parameters
    ----------
    maps
        What the locator saw of the whole CT.
    row
        Of `workers.locate.row_search.find_row`.
    find_landmarks
        The landmark network, on this CT.
    told
        Told after each body.
    """
    evidence, lowest = [], row[-MOST_BODIES:]
    for number, body in enumerate(lowest, start=1):
        evidence.append(_evidence_of(maps, body, find_landmarks(body.centre)))
        told(number / len(lowest))
    return evidence


def _class_shares(maps: LocatorMaps, centre: Floats) -> Floats:
    """Return (len(CLASSES),) mean probability of each class of vertebra, and of the sacrum, about a point (3,) mm."""
    voxel, reach = maps.voxel(centre), APPEARANCE_RADIUS_MM / COARSE_MM
    low, high = np.maximum(np.floor(voxel - reach).astype(int), 0), np.ceil(voxel + reach).astype(int) + 1
    part = maps.classes(low, high)
    away = np.square(np.moveaxis(np.indices(part.shape[1:]), 0, -1) + low - voxel).sum(axis=-1)
    near = away < reach**2
    shares = part[:, near].mean(axis=1, dtype=np.float64) if near.any() else np.zeros(len(CLASSES))
    shares[[0, RIB]] = 0.0
    return np.asarray(shares)


def _evidence_of(maps: LocatorMaps, body: FoundBody, landmarks: Landmarks) -> BodyEvidence:
    shares = _class_shares(maps, body.centre)
    appearance = shares[CLASS_OF_LEVEL] / max(float(shares.sum()), LEAST_SHARE)
    return BodyEvidence(body.centre, _strength(body), appearance, landmarks.ribs, landmarks.sacrum)


def unnamed(body: FoundBody) -> BodyEvidence:
    """Return a body of which nothing but its place is known: every level is equally likely."""
    return BodyEvidence(body.centre, _strength(body), np.full(len(LEVELS), 1.0 / len(LEVELS)), None, None)


def _strength(body: FoundBody) -> float:
    return min(body.heat / SURE_HEAT, 1.0)

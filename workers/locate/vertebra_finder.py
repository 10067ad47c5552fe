"""Locate a vertebra in a CT and segment it (paper section II.B); holds the three networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from app.contract.params import Vertebra
from models.types import Floats
from workers.imaging.frame import frame_of
from workers.imaging.resampling import UPRIGHT
from workers.imaging.volume import Volume
from workers.locate.choice import LevelDecision, choose_vertebra
from workers.locate.evidence import collect_evidence
from workers.locate.landmark_network import LandmarkNetwork
from workers.locate.locator import Locator
from workers.locate.seed_search import find_body_at_seed
from workers.locate.segmenter import Segmenter

NEIGHBOUR_MM = 55.0
"""A body centre further away is not that of the next vertebra: pitches measure up to 36 mm, and people vary."""


@dataclass(frozen=True)
class VertebraLocation:
    """Where a vertebra is.

    Attributes
    ----------
    vertebra
        Level asked for.
    centre
        (3,) mm RAS, of its body.
    decision
        How the row was named; None where the client sent a seed.
    seed
        (3,) mm RAS, as sent; None without one.
    """

    vertebra: Vertebra
    centre: Floats
    decision: LevelDecision | None = None
    seed: Floats | None = None

    @property
    def frame(self) -> Floats:
        """(3, 3) rotation of the vertebra's frame: its third column runs along the row of bodies, upwards.

        The world's axes where no neighbour was found.
        """
        if self.decision is None:
            return UPRIGHT
        away = np.linalg.norm(self.decision.centres - self.centre, axis=1)
        own = int(away.argmin())
        beside = [i for i in (own - 1, own, own + 1) if 0 <= i < len(away) and away[i] < NEIGHBOUR_MM]
        if len(beside) < 2:
            return UPRIGHT
        return frame_of(self.decision.centres[beside[0]] - self.decision.centres[beside[-1]])


class VertebraFinder:
    """Locates and segments vertebrae.

    Parameters
    ----------
    locator, segmenter, landmarks
        The three networks.
    """

    def __init__(self, locator: Locator, segmenter: Segmenter, landmarks: LandmarkNetwork) -> None:
        self.locator, self.segmenter, self.landmarks = locator, segmenter, landmarks

    def locate(self, ct: Volume, vertebra: Vertebra, seed_ras_mm: Sequence[float] | None = None) -> VertebraLocation:
        """Return where the vertebra is: the one that holds the seed, else the one of that level.

        Raises
        ------
        VertebraNotFound
            It is not in the scan, the evidence does not decide which body it is, or no vertebra holds the seed.
        VertebraTruncated
            The scan ends where it must be.
        """
        if seed_ras_mm is not None:
            seed = np.array(seed_ras_mm)
            return VertebraLocation(vertebra, find_body_at_seed(ct, self.segmenter, seed), seed=seed)
        find_body, find_landmarks = partial(self.segmenter.body_at, ct), partial(self.landmarks.at, ct)
        bodies = collect_evidence(self.locator.maps(ct), vertebra, find_body, find_landmarks)
        decision = choose_vertebra(bodies, ct, vertebra)
        return VertebraLocation(vertebra, decision.centre, decision)

    def segment(self, ct: Volume, location: VertebraLocation) -> Volume:
        """Return the probability (i, j, k) float32 that a voxel belongs to the vertebra, in the vertebra's frame."""
        return self.segmenter.probability(ct, location.centre, turn=location.frame)

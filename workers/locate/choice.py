"""Choose the vertebra asked for among the bodies of the row; refuse where the evidence does not decide.

Coarse to fine, as Payer et al., VISAPP 2020, best of VerSe'19. The locator names the bone of every voxel and marks the
spine; the spine walk finds the bodies; the level model names the row. Where the evidence disagrees (transitional
anatomy, a short twelfth rib, a small field of view) the confidence falls. Below `LEAST_CONFIDENCE` the answer is an
error that lists the alternatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats
from workers.imaging.volume import Volume
from workers.locate.evidence import BodyEvidence
from workers.locate.landmark_counts import count_level, counts_agree, shows_chest
from workers.locate.level_model import infer_levels
from workers.locate.levels import LEVELS
from workers.locate.refusals import Alternative, not_in_scan, nothing_recognised, undecided

LEAST_CONFIDENCE = 0.85
"""Least probability of the level asked for. At 85 % no scan of docs/evaluation got the wrong bone."""
LEAST_ALTERNATIVE = 0.02
"""Alternatives of less probability are not reported."""


@dataclass(frozen=True)
class LevelDecision:
    """Which body of the row is the level asked for, and how sure that is.

    Attributes
    ----------
    vertebra
        Level asked for.
    centre
        (3,) mm RAS, of its body.
    confidence
        Probability that this is the level asked for, 0 to 1.
    alternatives
        Other bodies that may be it, likeliest first.
    levels
        Levels of the row from top to bottom, named in the likeliest way.
    centres
        (n, 3) mm RAS of their bodies.
    by_ribs, by_sacrum
        Level of the vertebra counted from the lowest rib, or from the sacrum; None where that is not in view.
    """

    vertebra: str
    centre: Floats
    confidence: float
    alternatives: tuple[Alternative, ...]
    levels: tuple[str, ...]
    centres: Floats
    by_ribs: str | None
    by_sacrum: str | None


def choose_vertebra(bodies: list[BodyEvidence], ct: Volume, vertebra: str) -> LevelDecision:
    """Return the body of the row (`collect_evidence`) that is the level asked for.

    Raises
    ------
    VertebraNotFound
        It is not in the scan, or the evidence does not decide which body it is.
    VertebraTruncated
        The scan ends where it must be.
    """
    if not bodies:
        raise nothing_recognised(vertebra)
    posterior = infer_levels(bodies)
    levels = tuple(LEVELS[level] for _, level in posterior.path)
    probability = posterior.probability[:, LEVELS.index(vertebra)]
    order = np.argsort(probability)[::-1]
    first = int(order[0])
    options = [Alternative(bodies[i].centre, float(probability[i])) for i in order]
    others = tuple(option for option in options[1:] if option.probability > LEAST_ALTERNATIVE)
    counts = count_level(bodies, posterior, first)
    agreed = counts_agree(vertebra, counts, shows_chest(bodies, posterior))
    if probability[first] < LEAST_CONFIDENCE or not agreed:
        candidates = (options[0], *others)
        if sum(candidate.probability for candidate in candidates) >= 1.0 - LEAST_CONFIDENCE:
            raise undecided(vertebra, levels, candidates, counts, LEAST_CONFIDENCE)
        raise not_in_scan(vertebra, [bodies[i].centre for i, _ in posterior.path], levels, ct)
    return LevelDecision(
        vertebra,
        bodies[first].centre,
        float(probability[first]),
        others,
        levels,
        np.array([bodies[i].centre for i, _ in posterior.path]),
        counts.ribs,
        counts.sacrum,
    )

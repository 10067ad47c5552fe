"""Choose the vertebra asked for among the bodies of the row; refuse where the evidence does not decide.

Coarse to fine, as Payer et al., VISAPP 2020, best of VerSe'19. The locator names the bone of every voxel and marks the
spine; the row network finds the bodies; the level model names the row. Where the evidence disagrees (transitional
anatomy, a short twelfth rib, a small field of view) the confidence falls. Below `LEAST_CONFIDENCE` the answer is an
error that lists the alternatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.contract.params import OnUncertainLevel
from models.types import Floats
from workers.imaging.volume import Volume
from workers.locate.landmark_counts import LevelCounts, count_level, counts_agree, shows_chest
from workers.locate.levels import LEVELS
from workers.locate.named_row import NamedRow
from workers.locate.refusals import Alternative, not_in_scan, nothing_recognised, undecided

LEAST_CONFIDENCE = 0.85
"""Least probability of the level asked for. At 85 % no scan of docs/evaluation got the wrong bone."""
LEAST_FLAGGED = 0.7
"""The same where the client accepts a level that is not verified."""
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
    verified
        Whether landmarks settle the level. Without, it is the likeliest, and no count from ribs or sacrum contradicts.
    by_ribs, by_sacrum
        Level of the vertebra counted from the lowest rib, or from the sacrum; None where that is not in view.
    """

    vertebra: str
    centre: Floats
    confidence: float
    alternatives: tuple[Alternative, ...]
    verified: bool
    by_ribs: str | None
    by_sacrum: str | None


def choose_vertebra(
    row: NamedRow, ct: Volume, vertebra: str, on_uncertain_level: OnUncertainLevel = "refuse"
) -> LevelDecision:
    """Return the body of the row that is the level asked for.

    Raises
    ------
    VertebraNotFound
        It is not in the scan, or the evidence does not decide which body it is.
    VertebraTruncated
        The scan ends where it must be.
    """
    if not row.bodies:
        raise nothing_recognised(vertebra)
    posterior = row.posterior
    probability = posterior.probability[:, LEVELS.index(vertebra)]
    order = np.argsort(probability)[::-1]
    first = int(order[0])
    options = [Alternative(row.bodies[i].centre, float(probability[i])) for i in order]
    others = tuple(option for option in options[1:] if option.probability > LEAST_ALTERNATIVE)
    counts = count_level(row.bodies, posterior, first)
    verified = bool(probability[first] >= LEAST_CONFIDENCE) and counts_agree(
        vertebra, counts, shows_chest(row.bodies, posterior)
    )
    plausible = probability[first] >= LEAST_FLAGGED and _is_plausible(vertebra, counts)
    if not verified and not (plausible and on_uncertain_level == "flag"):
        candidates = (options[0], *others)
        if sum(candidate.probability for candidate in candidates) >= 1.0 - LEAST_CONFIDENCE:
            raise undecided(vertebra, row, candidates, counts, LEAST_CONFIDENCE)
        raise not_in_scan(vertebra, row, ct)
    return LevelDecision(
        vertebra,
        row.bodies[first].centre,
        float(probability[first]),
        others,
        verified,
        counts.ribs,
        counts.sacrum,
    )


def _is_plausible(vertebra: str, counts: LevelCounts) -> bool:
    """Whether something says `vertebra` and no landmark contradicts.

    A count from ribs or sacrum outweighs the appearance of the row, which may be off by one for all of it.
    """
    landmarks = {counts.ribs, counts.sacrum} - {None}
    return landmarks == {vertebra} or (not landmarks and counts.appearance == vertebra)

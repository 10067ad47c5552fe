"""The report's section on how the vertebra was found, for a CT alone."""

from __future__ import annotations

import numpy as np

from app.contract.segmentation import Outline, Segmentation
from workers.imaging.volume import Volume
from workers.locate.named_row import rounded
from workers.locate.vertebra_finder import VertebraLocation
from workers.mask.cleaning import CleanMask
from workers.outline.views import UNSURE_PROBABILITY


def segmentation_section(
    location: VertebraLocation, probability: Volume, vertebra: CleanMask, outline: Outline | None = None
) -> Segmentation:
    """Return the section.

    Parameters
    ----------
    location
        Where the vertebra was located, and how.
    probability
        Of the segmenter, (i, j, k).
    vertebra
        The clean mask made from it.
    outline
        Its quality; None where it was not judged.
    """
    low, high = UNSURE_PROBABILITY
    blurred = float(((probability.voxels > low) & (probability.voxels < high)).sum() * np.prod(probability.spacing))
    decision = location.decision
    return Segmentation(
        centre_ras_mm=rounded(location.centre),
        confidence=None if decision is None else round(decision.confidence, 4),
        alternatives=[] if decision is None else [option.for_report() for option in decision.alternatives],
        levels_seen=list(location.row.levels),
        level_by_ribs=None if decision is None else decision.by_ribs,
        level_by_sacrum=None if decision is None else decision.by_sacrum,
        row=location.row.for_report(),
        level_verified=None if decision is None else decision.verified,
        unsure_share=round(blurred / vertebra.volume_mm3, 3),
        outline=outline,
    )

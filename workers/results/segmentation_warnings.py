"""The report's warnings on a vertebra that the networks found: level and outline."""

from __future__ import annotations

from app.contract.params import Vertebra
from app.contract.segmentation import Outline, Segmentation
from workers.outline.judgement import LARGEST_DENSE_SHARE, SWALLOWED_RATIO

SURE_OF_ROW = 0.85
"""A seed's level is contradicted where the row names the body otherwise with this probability at least."""
SAME_MM = 1.0
"""A body of the row nearer than this to the vertebra's centre is its own."""


def segmentation_warnings(segmentation: Segmentation, level: Vertebra) -> list[str]:
    """Return what a reader should know about the level and the outline before the numbers."""
    of_level = (warn_of_unverified_level(segmentation, level), warn_of_the_row(segmentation, level))
    of_outline = [] if segmentation.outline is None else warn_of_outline(segmentation.outline)
    return [*(warning for warning in of_level if warning), *of_outline]


def warn_of_unverified_level(segmentation: Segmentation, level: Vertebra) -> str | None:
    """Warn where neither ribs nor sacrum settle the level."""
    if segmentation.level_verified is not False:
        return None
    return (
        f"The level is not verified: {level} is the likeliest "
        f"({segmentation.confidence or 0.0:.0%}), but ribs and sacrum do not settle it. Count before you rely on it."
    )


def warn_of_the_row(segmentation: Segmentation, level: Vertebra) -> str | None:
    """Warn where the client's seed lies in a body that the row names otherwise."""
    if segmentation.confidence is not None:
        return None
    x, y, z = segmentation.centre_ras_mm
    for body in segmentation.row:
        away = sum((a - b) ** 2 for a, b in zip(body.centre_ras_mm, (x, y, z), strict=True)) ** 0.5
        if away < SAME_MM and body.level not in (level, None) and body.confidence >= SURE_OF_ROW:
            return f"The seed lies in {body.level} by the row of vertebrae ({body.confidence:.0%}), not in {level}."
    return None


def warn_of_outline(outline: Outline) -> list[str]:
    """Warn where the outline is uncertain, and say what was seen."""
    swallowed = outline.height_ratio is not None and outline.height_ratio > SWALLOWED_RATIO
    dense = outline.dense_share > LARGEST_DENSE_SHARE
    warnings = []
    if outline.uncertain:
        warnings.append(
            f"The outline is uncertain, least sure at the {outline.worst_place.replace('_', ' ')}: expect a mean error "
            f"of {outline.expected_nmae_percent:.1f} % of the peak from it alone. Look at the mask before you use the "
            "numbers."
        )
    if swallowed:
        warnings.append("The body is as tall as the distance of the vertebrae: the outline probably holds a disc.")
    if dense:
        warnings.append(
            f"{outline.dense_share:.0%} of the body is as dense as cement or metal: the stress of bone with one "
            "stiffness does not hold there."
        )
    return warnings

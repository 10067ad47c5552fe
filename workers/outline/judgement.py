"""Judge an outline without a reference: the error of the stress that it is expected to cause, and where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.contract.errors import OutlineUncertain
from app.contract.segmentation import Outline
from models.template import REGIONS, Template
from models.types import Floats
from workers.geometry.surface import Surface
from workers.imaging.point_samples import sample_points
from workers.imaging.volume import Volume
from workers.locate.vertebra_finder import VertebraLocation
from workers.outline.endplates import dense_share, edge_share, height_ratio
from workers.outline.views import compare_views

DISAGREEMENT_FLOOR = 0.02
"""Added to 1 - Dice, so that its logarithm is finite: two views never agree better than their voxels allow."""
UNSURE_FLOOR = 0.02
"""Least share of undecided voxels that counts."""
LEAST_VIEW_DICE = 0.85
"""Views that agree less are uncertain whatever the law says. The seven real vertebrae of people held out have 0.90 to
0.97."""
SWALLOWED_RATIO = 1.0
"""A body is not as tall as the distance of the bodies: then a disc was swallowed, or a neighbour's endplate."""
LARGEST_DENSE_SHARE = 0.1
"""With more cement or metal in the body than that, the outline and the homogeneous bone are both in doubt."""
AXIS_DEGREES_PER_PERCENT = 1.1
"""Bound of the error of the load's axis, degrees, per percent of error of the stress (a trial). Of 33 outlines (7 real
vertebrae of three people whom the segmenter had not seen, 26 synthesised) 90 % lie below it, half below 0.6. Per
percent of the *expected* error the 7 real ones have 0.4 to 0.85. The error of the axis itself: median 1.0, 90 % below
2.4 degrees. Its rank correlation with the error of the stress is 0.56; that with the spread of three ways to measure
the axis (endplates' rims, planes, position of the body) is 0.19."""
ACROSS_MM = 1.5
"""The probability is read so far inside and outside a node: where it falls little, the surface is least sure."""


@dataclass(frozen=True)
class OutlineLaw:
    """Expected NMAE, percent: scale * unsure^a * disagreement^b * exp(c * blind).

    `training.segmentation` fits it to outlines of people whom the segmenter has not seen; the bundle's manifest holds
    it. `unsure` is the undecided share, `disagreement` 1 - Dice of the views (both from
    `workers.outline.views.compare_views`), `blind` the share of the worse endplate without an edge in the CT.

    Attributes
    ----------
    scale, unsure_power, disagreement_power, blind_rate
        Of the law.
    limit
        Expected NMAE, percent, above which an outline is uncertain.
    """

    scale: float
    unsure_power: float
    disagreement_power: float
    blind_rate: float
    limit: float

    def expected_nmae(self, unsure: float, dice: float, blind: float) -> float:
        """Return the expected mean absolute error of the von Mises stress, percent of its peak."""
        agreed = (1.0 - dice + DISAGREEMENT_FLOOR) ** self.disagreement_power
        return float(
            self.scale * max(unsure, UNSURE_FLOOR) ** self.unsure_power * agreed * np.exp(self.blind_rate * blind)
        )


@dataclass(frozen=True)
class Evidence:
    """What the networks and the CT say of a vertebra.

    Attributes
    ----------
    ct
        HU.
    location
        Where the vertebra is, and the row of bodies.
    first, second
        Probability (i, j, k) in the vertebra's frame, and in a turned view of its body.
    """

    ct: Volume
    location: VertebraLocation
    first: Volume
    second: Volume


def judge_outline(evidence: Evidence, points: Floats, template: Template, law: OutlineLaw) -> Outline:
    """Return the quality of the outline to which the subject mesh (n, 3), mm RAS, was fitted."""
    location, ct = evidence.location, evidence.ct
    views = compare_views(evidence.first, evidence.second, location.centre, location.frame[:, 2])
    upper, lower = (edge_share(ct, points, part) for part in (template.superior, template.inferior))
    height = height_ratio(points, template, location.row.sure_centres, location.centre)
    dense = dense_share(ct, points, template)
    expected = law.expected_nmae(views.unsure, views.dice, 1.0 - min(upper, lower))
    swallowed = height is not None and height > SWALLOWED_RATIO
    return Outline(
        view_dice=round(views.dice, 3),
        superior_endplate_edge=round(upper, 3),
        inferior_endplate_edge=round(lower, 3),
        height_ratio=None if height is None else round(height, 3),
        dense_share=round(dense, 3),
        worst_place=REGIONS[_least_sure_region(evidence.first, points, template)],
        expected_nmae_percent=round(expected, 2),
        load_axis_uncertainty_deg=round(AXIS_DEGREES_PER_PERCENT * expected, 1),
        uncertain=expected > law.limit or views.dice < LEAST_VIEW_DICE or swallowed or dense > LARGEST_DENSE_SHARE,
    )


def _least_sure_region(probability: Volume, points: Floats, template: Template) -> int:
    """Return the index into `REGIONS` of the part of the surface across which the probability falls least."""
    n = template.n_surface
    surface = Surface(points[:n], template.triangles)
    inner, outer = (
        sample_points(probability, surface.vertices + mm * surface.normals, None) for mm in (-ACROSS_MM, ACROSS_MM)
    )
    regions = template.region[:n]
    fall = [float((inner - outer)[regions == region].mean()) for region in range(len(REGIONS))]
    return int(np.argmin(fall))


def refuse_uncertain(outline: Outline, limit: float) -> None:
    """Refuse an uncertain outline, for a client that does not want a flag.

    Raises
    ------
    OutlineUncertain
        The outline is uncertain.
    """
    if not outline.uncertain:
        return
    seen = [f"{outline.expected_nmae_percent:.1f} %, least sure at the {outline.worst_place.replace('_', ' ')}"]
    if outline.view_dice < LEAST_VIEW_DICE:
        seen.append(f"views that agree with {outline.view_dice:.2f}")
    if outline.height_ratio is not None and outline.height_ratio > SWALLOWED_RATIO:
        seen.append(f"a height of {outline.height_ratio:.2f} of the distance of the bodies")
    if outline.dense_share > LARGEST_DENSE_SHARE:
        seen.append(f"{outline.dense_share:.0%} as dense as cement or metal")
    raise OutlineUncertain(
        "The outline of the vertebra is too uncertain. Send a mask, or accept a flagged answer with "
        'on_uncertain_outline "flag".',
        expected=f"an outline that adds at most {limit:g} % to the error, on which two views agree, without a disc, "
        "cement or metal",
        got="; ".join(seen),
    )

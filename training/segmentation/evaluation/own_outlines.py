"""Outlines that our own networks draw in the CTs that nobody labelled, to learn from once somebody looked at them."""

from __future__ import annotations

from dataclasses import dataclass

from app.contract.errors import VertebraError
from app.contract.params import JobParams
from synthetic_ct.bone_labels import THORACOLUMBAR_LEVELS
from training.segmentation.data.annotations import Annotation, Body
from workers.engine import engine
from workers.geometry.surface import Surface
from workers.imaging.volume import Volume
from workers.locate.evidence import unnamed
from workers.locate.named_row import NamedRow
from workers.locate.row_search import FoundBody
from workers.locate.vertebra_finder import VertebraLocation
from workers.mask.segmentation_checks import clean_probable
from workers.mesh.mask_surface import extract_surface
from workers.outline.edge_fit import fit_to_edges
from workers.pipeline import judge_segmentation, morph, surface_of
from workers.vertebra_stage import segment_vertebra

UPPERMOST = "T8"
"""Vertebrae above it are left out: no job asks for them, and none of them is beside one that a job asks for."""


@dataclass(frozen=True)
class OwnOutline:
    """One vertebra as our networks outline it.

    Attributes
    ----------
    level
        By the marks.
    surface
        mm RAS; None where there is none.
    told
        What the checks of a job say of it: the expected error of the field, or why a job refuses it.
    accepted
        Whether a job would answer.
    """

    level: str
    surface: Surface | None
    told: str
    accepted: bool


def wanted_levels(annotation: Annotation) -> tuple[str, ...]:
    """Return the levels of a CT's whole vertebrae from `UPPERMOST` on."""
    first = THORACOLUMBAR_LEVELS.index(UPPERMOST)
    return tuple(b.level for b in annotation.bodies if b.whole and b.level in THORACOLUMBAR_LEVELS[first:])


def outline_ct(ct: Volume, annotation: Annotation) -> dict[str, OwnOutline]:
    """Return the outlines of a CT's wanted vertebrae and of their neighbours in view, by level.

    The marks say where the bodies are; everything else is as in a job.
    """
    wanted, levels = wanted_levels(annotation), annotation.levels
    beside = {levels[i] for level in wanted for i in about(levels.index(level), len(levels))}
    row = marked_row(annotation)
    return {
        body.level: _outline(ct, body, row, whole=body.level in wanted)
        for body in annotation.bodies
        if body.level in beside and body.level in THORACOLUMBAR_LEVELS
    }


def marked_row(annotation: Annotation) -> NamedRow:
    """Return the marked bodies as a row that a job might have found."""
    return NamedRow([unnamed(FoundBody(centre, 1.0)) for centre in annotation.centres])


def about(rank: int, count: int) -> range:
    """Return the places of a body and of those beside it in a row of `count`."""
    return range(max(rank - 1, 0), min(rank + 2, count))


def _outline(ct: Volume, body: Body, row: NamedRow, *, whole: bool) -> OwnOutline:
    """Outline one vertebra: a whole one as a job does, a neighbour that may be cut without a job's checks."""
    location = VertebraLocation("L1", body.centre, row)
    if whole:
        try:
            vertebra, evidence = segment_vertebra(ct, location)
            surface = surface_of(vertebra, evidence)
            section = judge_segmentation(evidence, vertebra, morph(vertebra, surface, "L1"), JobParams())
        except VertebraError as error:
            return OwnOutline(body.level, None, f"a job refuses it: {error.slug}, {error.got or error.detail}", False)
        assert section.outline is not None
        return OwnOutline(body.level, surface, f"expected error {section.outline.expected_nmae_percent:.1f} %", True)
    clean = clean_probable(engine().finder.segment(ct, location))
    beside = None if clean is None else fit_to_edges(extract_surface(clean.voxels, clean.affine), ct)
    return OwnOutline(body.level, beside, "a neighbour that is not whole", False)

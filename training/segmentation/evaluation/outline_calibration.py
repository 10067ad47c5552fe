"""Calibrate the expected error of an outline on vertebrae of people whom the segmenter's base has not seen."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from app.contract.errors import VertebraError
from models.types import Floats
from training.artifacts.files import atomic_path
from training.segmentation.data.reference_cases import ReferenceCase
from workers.engine import Engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.imaging.volume import Volume
from workers.locate.evidence import unnamed
from workers.locate.named_row import NamedRow
from workers.locate.row_search import FoundBody
from workers.locate.segmenter import Segmenter
from workers.locate.vertebra_finder import VertebraLocation
from workers.mask.cleaning import clean_mask
from workers.mask.segmentation_checks import clean_probable
from workers.mesh.mask_surface import extract_surface
from workers.outline.edge_fit import fit_to_edges
from workers.outline.endplates import edge_share
from workers.outline.judgement import DISAGREEMENT_FLOOR, UNSURE_FLOOR, OutlineLaw
from workers.outline.views import compare_views

LIMIT_PERCENT = 2.0
"""Expected NMAE above which an outline is uncertain. Of 66 held-out outlines below it, two had more than 3 %."""
RIDGE = 0.01
"""Keeps the powers finite where few cases tell them apart."""


@dataclass(frozen=True)
class OutlineError:
    """What was known of one outline without its reference, and the error that it caused.

    Attributes
    ----------
    case
        Name of the vertebra.
    unsure, dice, blind
        See `OutlineLaw`.
    nmae
        Mean absolute error of the von Mises stress over its peak, percent, outline against reference; both predicted
        by the tangent surrogate. None where no mesh fitted: a job refuses such an outline.
    mean_mm
        Mean distance of the two meshes' nodes on the surface, mm; None with `nmae`.
    """

    case: str
    unsure: float
    dice: float
    blind: float | None = None
    nmae: float | None = None
    mean_mm: float | None = None

    @property
    def person(self) -> str:
        """Whose vertebra it is, by the name of the case: ``PERSON LEVEL``, or ``NUMBER LEVEL of PERSON, SLICE mm``."""
        words = self.case.split()
        return words[3].rstrip(",") if "of" in words else words[0]


def measure_outlines(
    engine: Engine, segmenter: Segmenter, cases: Iterable[ReferenceCase], checkpoint: Path
) -> list[OutlineError]:
    """Outline every case as a job does and compare; what `checkpoint` (JSON lines) has is not measured again."""
    done = (
        [OutlineError(**json.loads(line)) for line in checkpoint.read_text().splitlines()]
        if checkpoint.exists()
        else []
    )
    names = {error.case for error in done}
    for case in tqdm(cases, desc="outlines", disable=None):
        if case.name in names:
            continue
        done.append(measure_outline(engine, segmenter, case))
        with atomic_path(checkpoint) as part:
            part.write_text("".join(json.dumps(asdict(error)) + "\n" for error in done))
    return done


def measure_outline(engine: Engine, segmenter: Segmenter, case: ReferenceCase) -> OutlineError:
    """Outline one vertebra about its reference's body centre."""
    row = sorted((case.centre, *case.neighbours), key=lambda centre: -float(centre[2]))
    named = NamedRow([unnamed(FoundBody(centre, 1.0)) for centre in row])
    location = VertebraLocation("L1", case.centre, named)
    first = segmenter.probability(case.ct, case.centre, turn=location.frame)
    second = segmenter.second_view(case.ct, case.centre, location.frame)
    views = compare_views(first, second, case.centre, location.frame[:, 2])
    known = OutlineError(case.name, views.unsure, views.dice)
    found = clean_probable(first)
    if found is None:
        return known
    try:
        surface = fit_to_edges(extract_surface(found.voxels, found.affine), case.ct)
        points = engine.morpher.morph(surface, float(found.spacing.max())).points
        true = _mesh_of(engine, case.reference)
    except VertebraError:
        return known
    template, n = engine.template, engine.template.n_surface
    a, b = (engine.predict(p, REFERENCE_LOAD_NEWTON, "tangent").von_mises for p in (points, true))
    edges = [edge_share(case.ct, points, part) for part in (template.superior, template.inferior)]
    return OutlineError(
        case.name,
        views.unsure,
        views.dice,
        1.0 - min(edges),
        100.0 * float(np.abs(a - b).mean() / b.max()),
        float(np.linalg.norm(points[:n] - true[:n], axis=1).mean()),
    )


def _mesh_of(engine: Engine, mask: Volume) -> Floats:
    clean = clean_mask(mask, 1)
    return engine.morpher.morph(extract_surface(clean.voxels, clean.affine), float(clean.spacing.max())).points


def fit_law(errors: list[OutlineError]) -> OutlineLaw:
    """Fit the logarithm of the error by least squares with a little ridge; outlines without a mesh do not count."""
    known, nmae = _as_arrays(errors)
    centred = known - known.mean(axis=0)
    log = np.log(nmae)
    gram = centred.T @ centred + RIDGE * len(log) * np.eye(known.shape[1])
    unsure, disagreement, blind = np.maximum(np.linalg.solve(gram, centred.T @ (log - log.mean())), 0.0)
    scale = np.exp(log.mean() - known.mean(axis=0) @ [unsure, disagreement, blind])
    return OutlineLaw(float(scale), float(unsure), float(disagreement), float(blind), LIMIT_PERCENT)


def within_factor_two(errors: list[OutlineError]) -> float:
    """Return the share of outlines whose error is within a factor of 2 of the expected one, each person left out."""
    measured = [error for error in errors if error.nmae is not None]
    right = 0
    for person in {error.person for error in measured}:
        law = fit_law([error for error in measured if error.person != person])
        for error in measured:
            if error.person == person:
                assert error.nmae is not None
                assert error.blind is not None
                ratio = error.nmae / law.expected_nmae(error.unsure, error.dice, error.blind)
                right += 0.5 <= ratio <= 2.0
    return right / len(measured)


def _as_arrays(errors: list[OutlineError]) -> tuple[Floats, Floats]:
    """Return the logarithms (k, 2) and the blind share (k, 1) as (k, 3), and the errors (k,)."""
    rows = [
        (
            np.log(max(error.unsure, UNSURE_FLOOR)),
            np.log(1.0 - error.dice + DISAGREEMENT_FLOOR),
            error.blind,
            error.nmae,
        )
        for error in errors
        if error.nmae is not None
    ]
    table = np.array(rows, np.float64)
    return table[:, :3], table[:, 3]

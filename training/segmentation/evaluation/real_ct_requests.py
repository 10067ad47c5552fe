"""Ask for a vertebra of a CT as a job without a mask does, and judge the answer by the annotation."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.contract.errors import VertebraError
from app.contract.params import JobParams
from app.contract.report import Segmentation
from models.types import Floats
from training.segmentation.data.annotations import Body
from workers.engine import engine
from workers.imaging.volume import Volume
from workers.locate.body_centre import body_centre
from workers.pipeline import filled, judge_segmentation, morph, surface_of
from workers.results.expected_error import total_error
from workers.stage_clock import StageClock
from workers.stress_stage import StressOutcome, compute_stress
from workers.vertebra_stage import segment_vertebra

SAME_BODY_MM = 10.0
"""An outline whose body centre is nearer to the annotated one is of that vertebra: neighbours are 20 mm away."""
Verdict = Literal["right", "right, though cut", "refused though whole", "refused, cut or absent", "wrong"]
VERDICTS: tuple[Verdict, ...] = (
    "right",
    "refused though whole",
    "right, though cut",
    "refused, cut or absent",
    "wrong",
)


@dataclass(frozen=True)
class Answer:
    """What a job ends with.

    Attributes
    ----------
    mask
        0 or 1; None where the job refuses.
    points
        (n, 3) mm RAS: nodes of the subject's mesh.
    section
        The report's section on the segmentation.
    stress
        The predicted field and its expected error.
    refusal
        The problem and what was got; empty for an answer.
    seconds
        Wall-clock time without reading and writing.
    """

    mask: Volume | None
    points: Floats | None
    section: Segmentation | None
    stress: StressOutcome | None
    refusal: str
    seconds: float

    @property
    def centre(self) -> Floats | None:
        """Body centre (3,) mm RAS of the outline."""
        return None if self.mask is None else body_centre(self.mask.voxels > 0, self.mask.affine)[0]


def ask(ct: Volume, params: JobParams) -> Answer:
    """Run the stages of a job without a mask on a CT that is read: locate, segment, check, morph, predict."""
    start, clock, finder = time.perf_counter(), StageClock(lambda *_: None), engine().finder
    try:
        location = finder.locate(
            ct, finder.row(ct), params.vertebra_sought, params.seed_ras_mm, params.on_uncertain_level
        )
        vertebra, evidence = segment_vertebra(ct, location)
        surface = surface_of(vertebra, evidence)
        vertebra, mesh = filled(vertebra, surface), morph(vertebra, surface, params.vertebra_sought)
        section = judge_segmentation(evidence, vertebra, mesh, params)
        stress = compute_stress(mesh.points, params, clock)
    except VertebraError as error:
        refusal = f"{error.slug}: {error.got or error.detail}"
        return Answer(None, None, None, None, refusal, time.perf_counter() - start)
    mask = Volume(vertebra.voxels.astype(np.uint8), vertebra.affine)
    return Answer(mask, mesh.points, section, stress, "", time.perf_counter() - start)


def judge(centre: Floats | None, body: Body | None) -> tuple[Verdict, float | None]:
    """Return the verdict on an answer and how far it lies from the annotated body, mm.

    Parameters
    ----------
    centre
        (3,) mm RAS, of the answer's body; None for a refusal.
    body
        The vertebra that was asked for; None where it is not in view.
    """
    whole = body is not None and body.whole
    if centre is None:
        return ("refused though whole" if whole else "refused, cut or absent"), None
    if body is None:
        return "wrong", None
    away = float(np.linalg.norm(centre - body.centre))
    if away > SAME_BODY_MM:
        return "wrong", away
    return ("right" if whole else "right, though cut"), away


def told_error(answer: Answer) -> dict[str, float | None]:
    """Return the expected error of the field that a job tells, percent of the peak: outline, surrogate and total."""
    if answer.section is None or answer.stress is None:
        return {}
    error = total_error(answer.section.outline, answer.stress.prediction, answer.stress.fidelity)
    if error is None:
        return {}
    return {"outline": error.outline_percent, "surrogate": error.surrogate_percent, "total": error.total_percent}

"""Score each fold's segmenters, and the baselines, on the vertebrae of the people left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from models.types import Floats
from training.segmentation.data.real_cts import RealCt, body_centres
from training.segmentation.data.reference_cases import ReferenceCase, case_of_crop, neighbouring_centres
from training.segmentation.data.scan_files import ScanFiles, read_crop
from training.segmentation.evaluation.baselines import bone_around, move_to_centre, template_mask
from training.segmentation.evaluation.overlap import Overlap, compare_masks
from training.segmentation.evaluation.stress_change import StressChange, compare_stress
from training.segmentation.evaluation.trained_folds import TrainedFolds
from training.segmentation.fitting.folds import ALL, BASE, GROUPS, Fold, folds
from training.segmentation.networks.unets import KINDS
from workers.engine import Engine
from workers.imaging.frame import frame_of
from workers.imaging.resampling import UPRIGHT
from workers.imaging.volume import Volume
from workers.locate.body_centre import body_centre
from workers.locate.segmenter import Segmenter, as_mask
from workers.mask.cleaning import clean_mask

SYNTHETIC_CASES = 12
"""Synthetic vertebrae that a fold is scored on."""
FIRST_IMAGE = "_0"
"""How files of the first image of each person end: a second image has the same shapes."""


@dataclass(frozen=True)
class VertebraScore:
    """One vertebra, segmented by one method.

    Attributes
    ----------
    method
        A key of `report_text.METHODS`.
    fold, case
        Names of the fold and of the vertebra.
    real
        Whether the CT is a real one.
    overlap
        Of the mask with the reference.
    stress
        What the mask does to the stress; None where that was not computed or failed.
    """

    method: str
    fold: str
    case: str
    real: bool
    overlap: Overlap
    stress: StressChange | None = None


def score_folds(
    engine: Engine, files: ScanFiles, real: tuple[RealCt, ...], trained: TrainedFolds
) -> tuple[list[VertebraScore], list[tuple[ReferenceCase, Volume]]]:
    """Score every fold that has been trained.

    Returns
    -------
    The scores, and the real cases with the mask of the best segmenter of each fold.
    """
    scores: list[VertebraScore] = []
    shown: list[tuple[ReferenceCase, Volume]] = []
    template = template_mask(engine.template)
    for fold in folds(tuple(ct.person for ct in real)):
        segmenters = _segmenters(fold, trained)
        if fold == ALL or not segmenters:
            continue
        best = "bifusion" if "bifusion" in segmenters else "bifusion-base"
        cases = [(case, True) for case in real_cases(fold, real)]
        cases += [(case, False) for case in synthetic_cases(fold, files)]
        for case, is_real in tqdm(cases, desc=f"without {fold.name}", disable=None):
            masks = {name: segment(segmenter, case) for name, segmenter in segmenters.items()}
            masks |= {"template": move_to_centre(template, case), "bone": bone_around(case)}
            stress = {}
            if is_real and best in masks:
                shown.append((case, masks[best]))
                stress[best] = _stress_or_none(engine, masks[best], case)
            scores += [
                VertebraScore(
                    method, fold.name, case.name, is_real, compare_masks(mask, case.reference), stress.get(method)
                )
                for method, mask in masks.items()
            ]
    return scores, shown


def score_base(engine: Engine, real: tuple[RealCt, ...], trained: TrainedFolds, turned: bool) -> list[VertebraScore]:
    """Score the base of BiFusion-UNet on the real CTs of people it did not see.

    `turned` cuts its slices in the vertebra's frame, as a job does; else in the scan's axes.
    """
    segmenter, scores = trained.segmenter("bifusion", BASE), []
    for case in tqdm(real_cases(BASE, real), desc="turned" if turned else "scan's axes", disable=None):
        mask = segment(segmenter, case, turned)
        stress = _stress_or_none(engine, mask, case)
        scores.append(
            VertebraScore("bifusion-base", BASE.name, case.name, True, compare_masks(mask, case.reference), stress)
        )
    return scores


def segment(segmenter: Segmenter, case: ReferenceCase, turned: bool = True) -> Volume:
    """Return the cleaned mask (0 or 1) about the centre of a case, in the vertebra's frame, as in a job."""
    turn = _frame(case) if turned else UPRIGHT
    clean = clean_mask(as_mask(segmenter.probability(case.ct, case.centre, turn=turn)), 1)
    return Volume(clean.voxels.astype(np.uint8), clean.affine)


def _segmenters(fold: Fold, trained: TrainedFolds) -> dict[str, Segmenter]:
    """Return a fold's own segmenters, and those of the base if it did not see the fold's people either."""
    segmenters = {str(kind): trained.segmenter(kind, fold) for kind in KINDS if trained.has(kind, fold)}
    if set(fold.without) <= set(BASE.without):
        segmenters |= {f"{kind}-base": trained.segmenter(kind, BASE) for kind in KINDS if trained.has(kind, BASE)}
    return segmenters


def real_cases(fold: Fold, real: tuple[RealCt, ...]) -> list[ReferenceCase]:
    """Return the whole vertebrae of the people left out: L1 alone where there are many people."""
    cases = []
    for source in real:
        if source.person not in fold.without:
            continue
        ct, mask = source.read()
        bodies = body_centres(mask, source.labels)
        for level in source.whole if len(real) <= GROUPS else set(source.whole) & {"L1"}:
            inside = np.isin(mask.voxels, source.labels[level])
            centre, _ = body_centre(inside, mask.affine)
            reference = Volume(inside.astype(np.uint8), mask.affine)
            neighbours = neighbouring_centres(level, bodies)
            cases.append(ReferenceCase(f"{source.person} {level}", ct, reference, centre, neighbours))
    return cases


def synthetic_cases(fold: Fold, files: ScanFiles) -> list[ReferenceCase]:
    """Return up to `SYNTHETIC_CASES` synthetic vertebrae whose shapes are of people left out."""
    cases: list[ReferenceCase] = []
    for path in files.crops:
        if len(cases) == SYNTHETIC_CASES:
            break
        if path.stem.endswith(FIRST_IMAGE):
            crop = read_crop(path)
            if crop.people[0] in fold.without:
                cases.append(case_of_crop(crop, f"{path.stem} {crop.level}"))
    return cases


def _stress_or_none(engine: Engine, mask: Volume, case: ReferenceCase) -> StressChange | None:
    try:
        return compare_stress(engine, mask, case.reference)
    except Exception as error:  # the table shows the vertebrae that no mesh fits
        print(f"{case.name}: {type(error).__name__}")
        return None


def _frame(case: ReferenceCase) -> Floats:
    """Return the vertebra's frame (3, 3), as a job finds it from the row of bodies."""
    row = sorted((case.centre, *case.neighbours), key=lambda centre: float(centre[2]))
    return frame_of(row[-1] - row[0]) if len(row) > 1 else UPRIGHT

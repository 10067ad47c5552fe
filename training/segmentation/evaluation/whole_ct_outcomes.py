"""Find vertebrae in whole CTs of people whom no network has seen, and check that they are the right ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from tqdm import tqdm

from app.contract.errors import InputError
from app.contract.params import Vertebra
from models.types import Bools, Floats
from synthetic_ct.vertebra import Spine
from training.segmentation.data.real_cts import RealCt, body_centres
from training.segmentation.evaluation.altered_ct import alter_ct
from training.segmentation.evaluation.overlap import dice
from training.segmentation.evaluation.random_ct import random_ct
from training.segmentation.evaluation.trained_folds import TrainedFolds
from training.segmentation.fitting.folds import BASE, folds
from workers.imaging.volume import Volume
from workers.locate.body_centre import body_centre
from workers.locate.vertebra_finder import VertebraFinder
from workers.mask.cleaning import CleanMask
from workers.mask.conventions import VERSE_LABELS
from workers.mask.field_of_view import MAX_CUT_MM2
from workers.mask.segmentation_checks import accept_segmentation

LEVELS_ASKED: tuple[Vertebra, ...] = ("T12", "L1", "L2", "L3", "L4", "L5")
"""Levels that a real CT is searched for: all that the service offers."""
LUMBAR = ("L1", "L2", "L3", "L4", "L5")
SYNTHETIC_CTS, ALTERED_CTS = 20, 30
"""Random synthetic CTs, and alterations of a real one, that are searched for L1."""
SYNTHETIC_SEED, ALTERED_SEED = 77, 78
"""First half of the seeds of these CTs; their number is the other."""
LEAST_BODY_MM = 6.0
"""A ball of this radius fits into a vertebral body that is no worse than crushed, hardly into an arch."""
SAME_DSC = 0.5
"""Dice similarity from which a mask is of the same vertebra as the reference: neighbours hardly overlap."""

FindVertebra = Callable[[Volume, Vertebra], tuple[CleanMask, float]]
"""From a CT and a level to the vertebra's mask and the confidence; raises `InputError` where it refuses."""
Verdict = Literal["right", "refused", "refused, vertebra incomplete", "wrong"]
VERDICTS: tuple[Verdict, ...] = ("right", "refused", "refused, vertebra incomplete", "wrong")


@dataclass(frozen=True)
class Outcome:
    """What a search for one level in one CT ended with.

    Attributes
    ----------
    ct, level
        Name of the CT, and the level searched for.
    verdict
        ``right``: that vertebra; ``refused``: nothing, although the vertebra is whole in the scan;
        ``refused, vertebra incomplete``: nothing, and the vertebra is cut or absent; ``wrong``: another bone, or a
        vertebra that is cut.
    dsc
        Dice similarity with the reference; 0 where refused.
    answer
        The confidence, or the reason of the refusal.
    """

    ct: str
    level: str
    verdict: Verdict
    dsc: float
    answer: str


def evaluate_whole_cts(spines: list[Spine], real: tuple[RealCt, ...], trained: TrainedFolds) -> list[Outcome]:
    """Search real, altered and synthetic CTs of people whom none of the networks has seen.

    The synthetic CTs are made of the spine of the first person whom the bases leave out. The list is empty where a base
    is not trained.
    """
    outcomes: list[Outcome] = []
    if not all(trained.has(network, BASE) for network in ("locator", "row", "landmarks", "bifusion")):
        return outcomes
    bases = (trained.locator(BASE), trained.row(BASE), trained.landmarks(BASE))
    alone = {fold.without[0]: fold for fold in folds(tuple(ct.person for ct in real)) if len(fold.without) == 1}
    for source in real:
        fold = alone.get(source.person)
        if fold and not source.calibrated and trained.has("bifusion", fold):
            find = find_with(VertebraFinder(*bases, trained.segmenter("bifusion", fold)))
            outcomes += search_real_ct(find, source)
            if set(LUMBAR) <= set(source.whole):
                outcomes += search_altered_cts(find, source, ALTERED_CTS)
    own = [spine for spine in spines if spine.person == BASE.without[0]]
    if own:
        find = find_with(VertebraFinder(*bases, trained.segmenter("bifusion", BASE)))
        outcomes += search_synthetic_cts(find, own, SYNTHETIC_CTS)
    return outcomes


def find_with(finder: VertebraFinder) -> FindVertebra:
    """Return the search that a job without a mask makes, with these networks."""

    def find(ct: Volume, level: Vertebra) -> tuple[CleanMask, float]:
        location = finder.locate(ct, finder.row(ct), level)
        assert location.decision is not None
        return accept_segmentation(finder.segment(ct, location), location, ct), location.decision.confidence

    return find


def search_ct(find: FindVertebra, name: str, ct: Volume, reference: Volume | None, level: Vertebra) -> Outcome:
    """Search a CT for a level; `reference` (0 or 1) is that vertebra, None where it is not whole in the scan."""
    try:
        clean, confidence = find(ct, level)
    except InputError as error:
        verdict: Verdict = "refused, vertebra incomplete" if reference is None else "refused"
        return Outcome(name, level, verdict, 0.0, f"{error.slug}: {error.got}")
    answer = f"confidence {confidence:.2f}"
    if reference is None:
        return Outcome(name, level, "wrong", 0.0, answer)
    dsc = dice(Volume(clean.voxels, clean.affine), reference)
    return Outcome(name, level, "right" if dsc >= SAME_DSC else "wrong", dsc, answer)


def search_real_ct(find: FindVertebra, source: RealCt) -> list[Outcome]:
    """Search a real CT for each of `LEVELS_ASKED`."""
    ct, labels = source.read()
    outcomes = []
    for level in tqdm(LEVELS_ASKED, desc=source.person, disable=None):
        reference = None
        if level in source.whole:
            reference = Volume(np.isin(labels.voxels, source.labels[level]).astype(np.uint8), labels.affine)
        outcomes.append(search_ct(find, source.person, ct, reference, level))
    return outcomes


def search_synthetic_cts(find: FindVertebra, spines: list[Spine], count: int, level: Vertebra = "L1") -> list[Outcome]:
    """Search `count` synthetic CTs of random field of view and protocol, made of `spines`, for one level."""
    outcomes = []
    for number in tqdm(range(count), desc="synthetic CTs", disable=None):
        scan = random_ct(np.random.default_rng((SYNTHETIC_SEED, number)), spines)
        reference = whole_vertebra(scan.labels, (VERSE_LABELS[level],))
        outcomes.append(search_ct(find, f"synthetic {number}", scan.ct, reference, level))
    return outcomes


def search_altered_cts(find: FindVertebra, source: RealCt, count: int, level: Vertebra = "L1") -> list[Outcome]:
    """Search `count` random alterations of a real CT for one level."""
    ct, labels = source.read()
    centres = body_centres(labels, source.labels)
    from_top = dict(sorted(centres.items(), key=lambda item: -item[1][2]))
    outcomes = []
    for number in tqdm(range(count), desc=f"{source.person}, altered", disable=None):
        altered, its_labels = alter_ct(np.random.default_rng((ALTERED_SEED, number)), ct, labels, from_top)
        reference = whole_vertebra(its_labels, source.labels[level])
        outcomes.append(search_ct(find, f"altered {number}", altered, reference, level))
    return outcomes


def whole_vertebra(labels: Volume, values: tuple[int, ...]) -> Volume | None:
    """Return a vertebra (0 or 1); None where the scan cuts it, or shows no more than the tip of a process."""
    inside = np.isin(labels.voxels, values)
    if cut_mm2(inside, labels.spacing) > MAX_CUT_MM2 or body_centre(inside, labels.affine)[1] < LEAST_BODY_MM:
        return None
    return Volume(inside.astype(np.uint8), labels.affine)


def cut_mm2(inside: Bools, spacing: Floats) -> float:
    """Return the area of a mask (i, j, k) on the faces of its volume, mm²; `spacing` (3,) mm."""
    area = np.prod(spacing) / spacing
    return float(sum(inside.take(edge, axis=a).sum() * area[a] for a in range(3) for edge in (0, -1)))

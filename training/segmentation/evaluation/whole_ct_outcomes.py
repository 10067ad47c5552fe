"""Ask whole CTs of people nobody was trained on for a vertebra: is it the one that comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from tqdm import tqdm

from app.contract.errors import InputError
from app.contract.params import JobParams, Vertebra
from models.types import Bools, Floats
from synthetic_ct.person import Person
from synthetic_ct.scanner import Protocol
from synthetic_ct.spine import make_spine
from synthetic_ct.vertebra import Spine
from synthetic_ct.whole_ct import SyntheticCt, scan_person
from training.segmentation.data.real_cts import RealCt, centres
from training.segmentation.evaluation.altered_ct import changed
from training.segmentation.evaluation.overlap import on_grid
from workers.imaging.volume import Volume
from workers.locate.segmenter import LEAST_BODY_MM, body_centre
from workers.locate.vertebra_finder import VertebraFinder
from workers.mask.conventions import VERSE_LABELS
from workers.mask.plausibility import MAX_CUT_MM2

ASKED: tuple[Vertebra, ...] = ("T12", "L1", "L2", "L3", "L4", "L5")
TOPS, BOTTOMS = ("T4", "T8", "T10", "T11", "T12", "L1"), ("T12", "L1", "L2", "L4", "L5", "L5", "L5")
SAME_DSC = 0.5
"""What overlaps a reference that much is the same vertebra."""
DRAWN_MM = 1.25

Verdict = Literal["right", "refused", "refused, not whole in it", "wrong"]
VERDICTS: tuple[Verdict, ...] = ("right", "refused", "refused, not whole in it", "wrong")


@dataclass(frozen=True)
class Answer:
    """What a CT alone was answered with.

    Attributes
    ----------
    ct, level
        Which CT, and which level was asked for.
    verdict
        ``right``: that vertebra; ``refused`` though it lies whole in the scan, or because it does not; ``wrong``:
        another bone, or one that is cut.
    dsc
        With the reference of the level, 0 where refused.
    told
        Confidence, or why it was refused.
    """

    ct: str
    level: str
    verdict: Verdict
    dsc: float
    told: str


def ask(finder: VertebraFinder, name: str, ct: Volume, truth: Volume | None, level: Vertebra) -> Answer:
    """Ask for a level of a CT; `truth` (0 or 1) is that vertebra, None where it is not whole in the scan."""
    params = JobParams(vertebra=level)
    try:
        clean, section = finder.mask(ct, finder.place(ct, params), params)
    except InputError as error:
        why = f"{error.slug}: {error.got}"
        return Answer(name, level, "refused, not whole in it" if truth is None else "refused", 0.0, why)
    told = f"confidence {section.confidence:.2f}"
    if truth is None:
        return Answer(name, level, "wrong", 0.0, told)
    ours = on_grid(Volume(clean.voxels.astype(np.float32), clean.affine), truth) > 0.5
    reference = truth.voxels > 0
    dsc = float(2.0 * (ours & reference).sum() / max(ours.sum() + reference.sum(), 1))
    return Answer(name, level, "right" if dsc >= SAME_DSC else "wrong", dsc, told)


def ask_real(finder: VertebraFinder, source: RealCt) -> list[Answer]:
    """Ask a real CT for every level."""
    ct, labels = source.read()
    answers = []
    for level in tqdm(ASKED, desc=source.person, disable=None):
        truth = None
        if level in source.whole:
            truth = Volume(np.isin(labels.voxels, source.labels[level]).astype(np.uint8), labels.affine)
        answers.append(ask(finder, source.person, ct, truth, level))
    return answers


def ask_synthetic(finder: VertebraFinder, spines: list[Spine], count: int, level: Vertebra = "L1") -> list[Answer]:
    """Ask synthetic CTs of random range, width and protocol, made of `spines`, for one level."""
    answers = []
    for number in tqdm(range(count), desc="synthetic CTs", disable=None):
        random = np.random.default_rng((77, number))
        scan = random_ct(random, spines)
        truth = whole_vertebra(scan.labels, (VERSE_LABELS[level],))
        answers.append(ask(finder, f"synthetic {number}", scan.ct, truth, level))
    return answers


def ask_changed(finder: VertebraFinder, source: RealCt, count: int, level: Vertebra = "L1") -> list[Answer]:
    """Ask a real CT, each time `changed` at random, for one level."""
    ct, labels = source.read()
    found = centres(labels, source.labels)
    from_top = dict(sorted(found.items(), key=lambda item: -item[1][2]))
    answers = []
    for number in tqdm(range(count), desc=f"{source.person}, changed", disable=None):
        other, its_labels = changed(np.random.default_rng((78, number)), ct, labels, from_top)
        truth = whole_vertebra(its_labels, source.labels[level])
        answers.append(ask(finder, f"changed {number}", other, truth, level))
    return answers


def whole_vertebra(labels: Volume, values: tuple[int, ...]) -> Volume | None:
    """Return a vertebra (0 or 1); None where the scan cuts it, or shows no more than the tip of a process."""
    inside = np.isin(labels.voxels, values)
    if cut_mm2(inside, labels.spacing) > MAX_CUT_MM2 or body_centre(inside, labels.affine)[1] < LEAST_BODY_MM:
        return None
    return Volume(inside.astype(np.uint8), labels.affine)


def cut_mm2(inside: Bools, spacing: Floats) -> float:
    """Return the area at the faces of a volume, mm²."""
    area = np.prod(spacing) / spacing
    return float(sum(inside.take(edge, axis=a).sum() * area[a] for a in range(3) for edge in (0, -1)))


def random_ct(random: np.random.Generator, spines: list[Spine]) -> SyntheticCt:
    """Return a CT from some level to some level below, narrow or as wide as the trunk."""
    person = Person.make(random, make_spine(random, spines))
    at = {v.level: v.centre for v in person.spine.vertebrae}
    top, bottom = TOPS[random.integers(len(TOPS))], BOTTOMS[random.integers(len(BOTTOMS))]
    middle = np.append(person.torso.centre, 0.0)
    half = np.append(person.torso.half + 15.0, 0.0)
    if random.random() < 0.5:
        middle, half = at["L2"] + random.normal(0.0, 8.0, 3), np.array([100.0, 100.0, 0.0])
    low, high = middle - half, middle + half
    ends = sorted((at[top][2], at[bottom][2]))
    low[2], high[2] = ends[0] - random.uniform(25.0, 90.0), ends[1] + random.uniform(25.0, 60.0)
    return scan_person(random, person, low, high, protocol=Protocol.draw(random), spacing=DRAWN_MM)

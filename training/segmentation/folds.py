"""Who is left out of which training, and the trainings one after the other.

A network is first trained on synthetic scans without anybody of whom there is a real CT (``base``). From there it is
trained on for some of the steps, with real CTs: once without each of those people (or groups of them) in turn, to
be tested on them, and once with all, to be shipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from training.files import claim
from training.segmentation.cases import case_of
from training.segmentation.crop_batches import CropBatches
from training.segmentation.fit_junctions import STEPS as JUNCTION_STEPS
from training.segmentation.fit_junctions import fit_junctions
from training.segmentation.fit_locator import STEPS as LOCATOR_STEPS
from training.segmentation.fit_locator import fit_locator
from training.segmentation.fit_segmenter import STEPS as SEGMENTER_STEPS
from training.segmentation.fit_segmenter import fit_segmenter
from training.segmentation.junction_batches import JunctionBatches
from training.segmentation.scans import GENERATOR, SCANNED, read_crop, ready
from training.segmentation.trunk_batches import TrunkBatches
from training.segmentation.unets import Kind

REAL_SHARE, SHARE_OF_ONE = 0.3, 0.05
"""How often a real scan is taken, and at most so often each: few are not to be learned by heart."""
LATER_STEPS, LATER_RATE = 0.25, 1e-3
"""Of a fold's training: share of the base's steps, highest learning rate."""
HELD_OUT = 8
GROUPS = 5
"""People are left out one by one where there are at most so many, else in so many groups."""


@dataclass(frozen=True)
class Fold:
    """A training: nobody of `without` is seen in it, and real CTs are where `real`."""

    name: str
    without: tuple[str, ...]
    real: bool


BASE = Fold("base", SCANNED, real=False)
ALL = Fold("all", (), real=True)


def folds(people: tuple[str, ...] = SCANNED) -> tuple[Fold, ...]:
    """Return the trainings that follow the base: a person left out, or one of `GROUPS` groups of many; then all."""
    people = tuple(dict.fromkeys(people))
    if len(people) <= GROUPS:
        return (*(Fold(person, (person,), real=True) for person in people), ALL)
    return (*(Fold(f"fold{i}", people[i::GROUPS], real=True) for i in range(GROUPS)), ALL)


@dataclass(frozen=True)
class Scans:
    """Files: synthetic and real surroundings, synthetic and real trunks, synthetic lumbosacral junctions."""

    crops: list[Path]
    real_crops: list[Path]
    trunks: list[Path]
    real_trunks: list[Path]
    junctions: list[Path]


def train_segmenter(
    kind: Kind, fold: Fold, scans: Scans, work: Path, profile: str = "shipped", steps: int | None = None
) -> nn.Module:
    """Train one fold of a segmenter; the base is trained first where it is missing. State is kept in `work`."""
    total = steps or SEGMENTER_STEPS[profile]
    folder = work / f"{kind}-{profile}-{fold.name}"
    claim(folder, generator=GENERATOR, scans=len(scans.crops), steps=total)
    seen, held = _split(scans.crops, fold.without, fold.without or SCANNED[:1])
    real = ready(scans.real_crops, fold.without) if fold.real else []
    batches = CropBatches(seen, real, _share(real))
    chosen = held[:: max(1, len(held) // HELD_OUT)][:HELD_OUT]
    validation = [case_of(read_crop(path), path.stem) for path in chosen]
    if fold == BASE:
        return fit_segmenter(kind, profile, batches, validation, folder, steps=total)
    start = work / f"{kind}-{profile}-{BASE.name}" / "checkpoint.pt"
    train_segmenter(kind, BASE, scans, work, profile, steps)
    later = max(int(LATER_STEPS * total), 1)
    return fit_segmenter(kind, profile, batches, validation, folder, steps=later, start=start, rate=LATER_RATE)


def _split(paths: list[Path], without: tuple[str, ...], tested: tuple[str, ...]) -> tuple[list[Path], list[Path]]:
    """Return the files without some people, and those with some to test on (the former, where there are none)."""
    seen, others = ready(paths, without), set(ready(paths, tested))
    return seen, [path for path in paths if path not in others] or seen


def _share(real: list[Path]) -> float:
    return min(REAL_SHARE, SHARE_OF_ONE * len(real))


def train_locator(
    fold: Fold, scans: Scans, work: Path, profile: str = "shipped", steps: int | None = None
) -> nn.Module:
    """Train one fold of the localiser, as `train_segmenter`; its base leaves out who a real trunk is of."""
    total = steps or LOCATOR_STEPS[profile]
    folder = work / f"locator-{profile}-{fold.name}"
    claim(folder, generator=GENERATOR, scans=len(scans.trunks), steps=total)
    seen, held = _split(scans.trunks, SCANNED[:1] if fold == BASE else fold.without, SCANNED[:1])
    real = ready(scans.real_trunks, fold.without) if fold.real else []
    batches = TrunkBatches(seen, real, _share(real))
    validation = TrunkBatches(held, seed=9)
    if fold == BASE:
        return fit_locator(profile, batches, validation, folder, steps=total)
    start = work / f"locator-{profile}-{BASE.name}" / "checkpoint.pt"
    train_locator(BASE, scans, work, profile, steps)
    later = max(int(LATER_STEPS * total), 1)
    return fit_locator(profile, batches, validation, folder, steps=later, start=start, rate=LATER_RATE)


def train_junctions(
    fold: Fold, scans: Scans, work: Path, profile: str = "shipped", steps: int | None = None
) -> nn.Module:
    """Train one fold of the network that sees ribs and the sacrum, as `train_segmenter`."""
    total = steps or JUNCTION_STEPS[profile]
    folder = work / f"junctions-{profile}-{fold.name}"
    claim(folder, generator=GENERATOR, scans=len(scans.crops) + len(scans.junctions), steps=total)
    seen, held = _split(scans.crops, fold.without, SCANNED)
    below, held_below = _split(scans.junctions, fold.without, SCANNED)
    real = ready(scans.real_crops, fold.without) if fold.real else []
    batches = JunctionBatches(seen, below, real, _share(real))
    validation = JunctionBatches(held, held_below, seed=9)
    if fold == BASE:
        return fit_junctions(profile, batches, validation, folder, steps=total)
    start = work / f"junctions-{profile}-{BASE.name}" / "checkpoint.pt"
    train_junctions(BASE, scans, work, profile, steps)
    later = max(int(LATER_STEPS * total), 1)
    return fit_junctions(profile, batches, validation, folder, steps=later, start=start, rate=LATER_RATE)

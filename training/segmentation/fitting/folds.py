"""Who is left out of which training, and the trainings one after the other.

A network is first trained on synthetic scans without anybody of whom there is a real CT (``base``). From there it is
trained on for some of the steps, with real CTs: once without each of those people (or groups of them) in turn, to
be tested on them, and once with all, to be shipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from training.files import claim
from training.segmentation.data.crop_batches import CropBatches
from training.segmentation.data.landmark_batches import LandmarkBatches
from training.segmentation.data.reference_cases import case_of_crop
from training.segmentation.data.synthetic_scans import GENERATOR, SCANNED, read_crop, ready
from training.segmentation.data.trunk_batches import TrunkBatches
from training.segmentation.fitting.fit_landmarks import STEPS as LANDMARK_STEPS
from training.segmentation.fitting.fit_landmarks import fit_landmarks
from training.segmentation.fitting.fit_locator import STEPS as LOCATOR_STEPS
from training.segmentation.fitting.fit_locator import fit_locator
from training.segmentation.fitting.fit_segmenter import STEPS as SEGMENTER_STEPS
from training.segmentation.fitting.fit_segmenter import fit_segmenter
from training.segmentation.networks.unets import Kind

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

    def fit_fold(fold: Fold, folder: Path, **course: Any) -> nn.Module:
        seen, held = _split(scans.crops, fold.without, fold.without or SCANNED[:1])
        real = ready(scans.real_crops, fold.without) if fold.real else []
        chosen = held[:: max(1, len(held) // HELD_OUT)][:HELD_OUT]
        validation = [case_of_crop(read_crop(path), path.stem) for path in chosen]
        return fit_segmenter(kind, profile, CropBatches(seen, real, _share(real)), validation, folder, **course)

    return _train(f"{kind}-{profile}", fold, fit_fold, work, len(scans.crops), steps or SEGMENTER_STEPS[profile])


def train_locator(
    fold: Fold, scans: Scans, work: Path, profile: str = "shipped", steps: int | None = None
) -> nn.Module:
    """Train one fold of the localiser, as `train_segmenter`; its base leaves out who a real trunk is of."""

    def fit_fold(fold: Fold, folder: Path, **course: Any) -> nn.Module:
        seen, held = _split(scans.trunks, SCANNED[:1] if fold == BASE else fold.without, SCANNED[:1])
        real = ready(scans.real_trunks, fold.without) if fold.real else []
        return fit_locator(
            profile, TrunkBatches(seen, real, _share(real)), TrunkBatches(held, seed=9), folder, **course
        )

    return _train(f"locator-{profile}", fold, fit_fold, work, len(scans.trunks), steps or LOCATOR_STEPS[profile])


def train_landmarks(
    fold: Fold, scans: Scans, work: Path, profile: str = "shipped", steps: int | None = None
) -> nn.Module:
    """Train one fold of the network that sees ribs and the sacrum, as `train_segmenter`."""

    def fit_fold(fold: Fold, folder: Path, **course: Any) -> nn.Module:
        seen, held = _split(scans.crops, fold.without, SCANNED)
        below, held_below = _split(scans.junctions, fold.without, SCANNED)
        real = ready(scans.real_crops, fold.without) if fold.real else []
        batches = LandmarkBatches(seen, below, real, _share(real))
        return fit_landmarks(profile, batches, LandmarkBatches(held, held_below, seed=9), folder, **course)

    count = len(scans.crops) + len(scans.junctions)
    return _train(f"junctions-{profile}", fold, fit_fold, work, count, steps or LANDMARK_STEPS[profile])


def _train(
    network: str, fold: Fold, fit_fold: Callable[..., nn.Module], work: Path, scans: int, steps: int
) -> nn.Module:
    """Train the base for `steps`; a later fold from there on, for fewer."""
    folder = work / f"{network}-{fold.name}"
    claim(folder, generator=GENERATOR, scans=scans, steps=steps)
    if fold == BASE:
        return fit_fold(fold, folder, steps=steps)
    _train(network, BASE, fit_fold, work, scans, steps)
    start = work / f"{network}-{BASE.name}" / "checkpoint.pt"
    return fit_fold(fold, folder, steps=max(int(LATER_STEPS * steps), 1), start=start, rate=LATER_RATE)


def _split(paths: list[Path], without: tuple[str, ...], tested: tuple[str, ...]) -> tuple[list[Path], list[Path]]:
    """Return the files without some people, and those with some to test on (the former, where there are none)."""
    seen, others = ready(paths, without), set(ready(paths, tested))
    return seen, [path for path in paths if path not in others] or seen


def _share(real: list[Path]) -> float:
    return min(REAL_SHARE, SHARE_OF_ONE * len(real))

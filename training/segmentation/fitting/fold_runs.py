"""Run the training of a fold after that of its base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from training.artifacts.files import record_settings
from training.segmentation.data.provenance import GENERATOR_VERSION
from training.segmentation.fitting.folds import BASE, Fold
from training.segmentation.fitting.training_loop import TRAINED, TrainingSettings, is_finished

REAL_SHARE, SHARE_OF_ONE = 0.3, 0.05
"""How often a real scan is taken, and at most how often each, so that a few are not learned by heart."""
LATER_STEPS, LATER_RATE = 0.25, 1e-3
"""Of a later fold: share of the base's steps, and highest learning rate."""

FitFold = Callable[[Fold, Path, TrainingSettings], nn.Module]
"""Trains one fold in a folder."""


@dataclass(frozen=True)
class TrainingRun:
    """How a network's folds are trained.

    Attributes
    ----------
    profile
        ``paper``, ``shipped`` or ``tiny``: widths and steps.
    steps
        Of the base, in place of the profile's.
    minutes
        Longest times of the base and of a later fold; no limit if None.
    start
        `TRAINED` of weights that later folds go on from in place of the base's.
    base_start
        `TRAINED` of weights that the base itself goes on from: an earlier base, of which the training data have grown.
    """

    profile: str = "shipped"
    steps: int | None = None
    minutes: tuple[float, float] | None = None
    start: Path | None = None
    base_start: Path | None = None

    def base(self, steps: dict[str, int], rate: float, device: str = "cpu") -> TrainingSettings:
        """Return the settings of the base: `steps` by profile, and the highest learning rate."""
        limit = self.minutes[0] if self.minutes else None
        count = self.steps or steps[self.profile]
        return TrainingSettings(count, rate, start=self.base_start, device=device, minutes=limit)


def train_fold(
    network: str, fold: Fold, fit_fold: FitFold, work: Path, scans: int, base: TrainingSettings, run: TrainingRun
) -> nn.Module:
    """Train the base where it is not finished; then train a later fold from there on, for fewer steps.

    Parameters
    ----------
    network
        Name of the trainings' folders, with the profile.
    fold, fit_fold
        Who is left out, and what trains a fold.
    work
        Folder of all trainings.
    scans
        How many synthetic scans there are: trainings of other numbers are not mixed.
    base
        Settings of the base.
    run
        Where later folds begin, and their longest time.

    Raises
    ------
    RuntimeError
        `work` holds trainings of other scans or steps.
    """
    folder = work / f"{network}-{fold.name}"
    record_settings(folder, generator=GENERATOR_VERSION, scans=scans, steps=base.steps)
    if fold == BASE:
        return fit_fold(fold, folder, base)
    start = run.start or work / f"{network}-{BASE.name}" / TRAINED
    if not is_finished(start):
        train_fold(network, BASE, fit_fold, work, scans, base, run)
    steps, minutes = max(int(LATER_STEPS * base.steps), 1), run.minutes[1] if run.minutes else None
    settings = replace(base, steps=steps, rate=LATER_RATE, start=start, minutes=minutes)
    return fit_fold(fold, folder, settings)


def real_share(count: int) -> float:
    """Return how often a real scan is taken where there are `count` of them."""
    return min(REAL_SHARE, SHARE_OF_ONE * count)

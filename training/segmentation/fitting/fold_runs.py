"""Run the training of a fold after that of its base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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


def train_fold(
    network: str,
    fold: Fold,
    fit_fold: FitFold,
    work: Path,
    scans: int,
    base: TrainingSettings,
    later_minutes: float | None = None,
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
    later_minutes
        Longest time of a later fold, if it has one.

    Raises
    ------
    RuntimeError
        `work` holds trainings of other scans or steps.
    """
    folder = work / f"{network}-{fold.name}"
    record_settings(folder, generator=GENERATOR_VERSION, scans=scans, steps=base.steps)
    if fold == BASE:
        return fit_fold(fold, folder, base)
    start = work / f"{network}-{BASE.name}" / TRAINED
    if not is_finished(start):
        train_fold(network, BASE, fit_fold, work, scans, base)
    steps = max(int(LATER_STEPS * base.steps), 1)
    settings = replace(base, steps=steps, rate=LATER_RATE, start=start, minutes=later_minutes)
    return fit_fold(fold, folder, settings)


def real_share(count: int) -> float:
    """Return how often a real scan is taken where there are `count` of them."""
    return min(REAL_SHARE, SHARE_OF_ONE * count)

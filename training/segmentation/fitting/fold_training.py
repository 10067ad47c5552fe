"""Train one fold of each network, after its base."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn

from training.artifacts.files import record_settings
from training.segmentation.data.crop_batches import CropBatches
from training.segmentation.data.landmark_batches import LandmarkBatches
from training.segmentation.data.provenance import GENERATOR_VERSION, SCANNED_PEOPLE
from training.segmentation.data.reference_cases import case_of_crop
from training.segmentation.data.scan_files import ScanFiles, files_without, read_crop
from training.segmentation.data.trunk_batches import TrunkBatches
from training.segmentation.fitting.fit_landmarks import LANDMARK_RATE, LANDMARK_STEPS, fit_landmarks
from training.segmentation.fitting.fit_locator import LOCATOR_RATE, LOCATOR_STEPS, fit_locator
from training.segmentation.fitting.fit_segmenter import SEGMENTER_RATE, SEGMENTER_STEPS, fit_segmenter
from training.segmentation.fitting.folds import BASE, Fold
from training.segmentation.fitting.training_loop import CHECKPOINT, TrainingSettings
from training.segmentation.networks.unets import Kind

REAL_SHARE, SHARE_OF_ONE = 0.3, 0.05
"""How often a real scan is taken, and at most how often each, so that a few are not learned by heart."""
LATER_STEPS, LATER_RATE = 0.25, 1e-3
"""Of a later fold: share of the base's steps, and highest learning rate."""
VALIDATION_CROPS = 8
VALIDATION_SEED = 9
"""Validation batches are drawn with it, training batches with 0."""
ABDOMEN_PERSON = SCANNED_PEOPLE[:1]
"""Whose real CT is an abdomen: the only one that shows enough of the spine for a trunk."""

FitFold = Callable[[Fold, Path, TrainingSettings], nn.Module]
"""Trains one fold in a folder."""


def train_segmenter(
    kind: Kind, fold: Fold, files: ScanFiles, work: Path, profile: str = "shipped", steps: int | None = None
) -> nn.Module:
    """Train one fold of a segmenter in `work`; the base is trained first where it is missing.

    Parameters
    ----------
    kind
        Which network.
    fold
        Who is left out.
    files
        Scans to train on and to validate with.
    work
        Folder of all trainings.
    profile
        ``paper``, ``shipped`` or ``tiny``: widths and steps.
    steps
        Of the base, in place of the profile's.

    Raises
    ------
    RuntimeError
        `work` holds trainings of other scans or steps.
    """

    def fit_fold(fold: Fold, folder: Path, settings: TrainingSettings) -> nn.Module:
        training, held_out = _split(files.crops, fold.without, fold.without or ABDOMEN_PERSON)
        real = files_without(files.real_crops, fold.without) if fold.real else []
        chosen = held_out[:: max(1, len(held_out) // VALIDATION_CROPS)][:VALIDATION_CROPS]
        cases = [case_of_crop(read_crop(path), path.stem) for path in chosen]
        return fit_segmenter(kind, profile, CropBatches(training, real, _real_share(real)), cases, folder, settings)

    base = TrainingSettings(steps or SEGMENTER_STEPS[profile], SEGMENTER_RATE)
    return _train(f"{kind}-{profile}", fold, fit_fold, work, len(files.crops), base)


def train_locator(
    fold: Fold, files: ScanFiles, work: Path, profile: str = "shipped", steps: int | None = None
) -> nn.Module:
    """Train one fold of the locator, as `train_segmenter`; its base leaves out `ABDOMEN_PERSON` alone."""

    def fit_fold(fold: Fold, folder: Path, settings: TrainingSettings) -> nn.Module:
        training, held_out = _split(files.trunks, ABDOMEN_PERSON if fold == BASE else fold.without, ABDOMEN_PERSON)
        real = files_without(files.real_trunks, fold.without) if fold.real else []
        batches = TrunkBatches(training, real, _real_share(real))
        return fit_locator(profile, batches, TrunkBatches(held_out, seed=VALIDATION_SEED), folder, settings)

    base = TrainingSettings(steps or LOCATOR_STEPS[profile], LOCATOR_RATE)
    return _train(f"locator-{profile}", fold, fit_fold, work, len(files.trunks), base)


def train_landmarks(
    fold: Fold, files: ScanFiles, work: Path, profile: str = "shipped", steps: int | None = None
) -> nn.Module:
    """Train one fold of the landmark network, as `train_segmenter`."""

    def fit_fold(fold: Fold, folder: Path, settings: TrainingSettings) -> nn.Module:
        training, held_out = _split(files.crops, fold.without, SCANNED_PEOPLE)
        lumbosacral, held_out_lumbosacral = _split(files.lumbosacral, fold.without, SCANNED_PEOPLE)
        real = files_without(files.real_crops, fold.without) if fold.real else []
        batches = LandmarkBatches(training, lumbosacral, real, _real_share(real))
        validation = LandmarkBatches(held_out, held_out_lumbosacral, seed=VALIDATION_SEED)
        return fit_landmarks(profile, batches, validation, folder, settings)

    base = TrainingSettings(steps or LANDMARK_STEPS[profile], LANDMARK_RATE)
    scans = len(files.crops) + len(files.lumbosacral)
    return _train(f"landmarks-{profile}", fold, fit_fold, work, scans, base)


def _train(network: str, fold: Fold, fit_fold: FitFold, work: Path, scans: int, base: TrainingSettings) -> nn.Module:
    """Train the base; then train a later fold from there on, for fewer steps.

    `scans` is how many synthetic scans there are: trainings of other numbers are not mixed.
    """
    folder = work / f"{network}-{fold.name}"
    record_settings(folder, generator=GENERATOR_VERSION, scans=scans, steps=base.steps)
    if fold == BASE:
        return fit_fold(fold, folder, base)
    _train(network, BASE, fit_fold, work, scans, base)
    start = work / f"{network}-{BASE.name}" / CHECKPOINT
    return fit_fold(fold, folder, TrainingSettings(max(int(LATER_STEPS * base.steps), 1), LATER_RATE, start))


def _split(paths: list[Path], without: tuple[str, ...], held_out: tuple[str, ...]) -> tuple[list[Path], list[Path]]:
    """Return the files without some people, and those with somebody of `held_out` to validate on.

    Where nobody of `held_out` is in a scan, the former serve as the latter.
    """
    training, others = files_without(paths, without), set(files_without(paths, held_out))
    return training, [path for path in paths if path not in others] or training


def _real_share(real: list[Path]) -> float:
    return min(REAL_SHARE, SHARE_OF_ONE * len(real))

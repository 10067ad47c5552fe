"""Train one fold of the locator, of the row network or of the landmark network, after its base."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from training.segmentation.data.landmark_batches import LandmarkBatches
from training.segmentation.data.provenance import SCANNED_PEOPLE
from training.segmentation.data.row_batches import ROW_BATCH, RowBatches
from training.segmentation.data.scan_files import ScanFiles, TrunkFiles, files_without
from training.segmentation.data.trunk_batches import TrunkBatches
from training.segmentation.fitting.fit_landmarks import LANDMARK_RATE, LANDMARK_STEPS, fit_landmarks
from training.segmentation.fitting.fit_locator import LOCATOR_RATE, LOCATOR_STEPS, fit_locator
from training.segmentation.fitting.fit_row import ROW_RATE, ROW_STEPS, fit_row
from training.segmentation.fitting.fold_runs import TrainingRun, real_share, train_fold
from training.segmentation.fitting.folds import BASE, Fold
from training.segmentation.fitting.training_loop import TrainingSettings
from training.segmentation.synthesis.row_window_files import RowFiles

VALIDATION_SEED = 9
"""Validation batches are drawn with it, training batches with 0."""
ABDOMEN_PERSON = SCANNED_PEOPLE[:1]
"""Whose real CT is an abdomen: the only one that shows enough of the spine for a trunk."""


def train_locator(fold: Fold, files: TrunkFiles, work: Path, run: TrainingRun) -> nn.Module:
    """Train one fold of the locator in `work`; the base, which leaves out `ABDOMEN_PERSON` alone, is trained first.

    Parameters
    ----------
    fold
        Who is left out.
    files
        Scans to train on and to validate with.
    work
        Folder of all trainings.
    run
        Widths, length and start.

    Raises
    ------
    RuntimeError
        `work` holds trainings of other scans or steps.
    """

    def fit_fold(fold: Fold, folder: Path, settings: TrainingSettings) -> nn.Module:
        training, held_out = _split(files.drawn, ABDOMEN_PERSON if fold == BASE else fold.without, ABDOMEN_PERSON)
        real = files_without(files.real, fold.without) if fold.real else []
        batches = TrunkBatches(training, real, real_share(len(real)))
        return fit_locator(run.profile, batches, TrunkBatches(held_out, seed=VALIDATION_SEED), folder, settings)

    base = run.base(LOCATOR_STEPS, LOCATOR_RATE)
    return train_fold(f"locator-{run.profile}", fold, fit_fold, work, len(files.drawn), base, run)


def train_row(fold: Fold, files: RowFiles, work: Path, run: TrainingRun) -> nn.Module:
    """Train one fold of the row network, as `train_locator`. The base has seen no real CT."""

    def fit_fold(fold: Fold, folder: Path, settings: TrainingSettings) -> nn.Module:
        training, held_out = _split(files.drawn, fold.without, SCANNED_PEOPLE)
        real = files_without(files.real, fold.without) if fold.real else []
        batches = RowBatches(training, ROW_BATCH[run.profile], real, real_share(len(real)))
        validation = RowBatches(held_out, ROW_BATCH[run.profile], seed=VALIDATION_SEED)
        return fit_row(run.profile, batches, validation, folder, settings)

    base = run.base(ROW_STEPS, ROW_RATE)
    return train_fold(f"row-{run.profile}", fold, fit_fold, work, len(files.drawn), base, run)


def train_landmarks(fold: Fold, files: ScanFiles, work: Path, run: TrainingRun) -> nn.Module:
    """Train one fold of the landmark network, as `train_locator`."""

    def fit_fold(fold: Fold, folder: Path, settings: TrainingSettings) -> nn.Module:
        training, held_out = _split(files.crops, fold.without, SCANNED_PEOPLE)
        lumbosacral, held_out_lumbosacral = _split(files.lumbosacral, fold.without, SCANNED_PEOPLE)
        real = files_without(files.real_crops, fold.without) if fold.real else []
        batches = LandmarkBatches(training, lumbosacral, real, real_share(len(real)))
        validation = LandmarkBatches(held_out, held_out_lumbosacral, seed=VALIDATION_SEED)
        return fit_landmarks(run.profile, batches, validation, folder, settings)

    base = run.base(LANDMARK_STEPS, LANDMARK_RATE)
    scans = len(files.crops) + len(files.lumbosacral)
    return train_fold(f"landmarks-{run.profile}", fold, fit_fold, work, scans, base, run)


def _split(paths: list[Path], without: tuple[str, ...], held_out: tuple[str, ...]) -> tuple[list[Path], list[Path]]:
    """Return the files without some people, and those with somebody of `held_out` to validate on.

    Where nobody of `held_out` is in a scan, the former serve as the latter.
    """
    training, others = files_without(paths, without), set(files_without(paths, held_out))
    return training, [path for path in paths if path not in others] or training

"""Train one fold of a segmenter, after its base; it needs torch, NumPy and SciPy and files that were made before."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from training.segmentation.data.provenance import SCANNED_PEOPLE
from training.segmentation.fitting.fit_segmenter import (
    SEGMENTER_BATCH,
    SEGMENTER_RATE,
    SEGMENTER_STEPS,
    build_segmenter,
    fit_segmenter,
)
from training.segmentation.fitting.fold_runs import REAL_SHARE, TrainingRun, train_fold
from training.segmentation.fitting.folds import Fold
from training.segmentation.fitting.segmenter_data import SegmenterData
from training.segmentation.fitting.training_loop import TRAINED, TrainingSettings, is_finished, load_trained
from training.segmentation.networks.unets import Kind
from training.segmentation.synthesis.boundary_batches import BoundaryBatches

VALIDATION_SEED = 9
"""Validation batches are drawn with it, training batches with 0."""


def train_segmenter(kind: Kind, fold: Fold, data: SegmenterData, work: Path, run: TrainingRun) -> nn.Module:
    """Train one fold of a segmenter in `work`; the base is trained first where it is not finished.

    Parameters
    ----------
    kind
        Which network.
    fold
        Who is left out.
    data
        What it is trained on and validated with. A finished training is loaded without it.
    work
        Folder of all trainings.
    run
        Widths and length.

    Raises
    ------
    RuntimeError
        `work` holds trainings of other scans or steps.
    """

    def fit_fold(fold: Fold, folder: Path, settings: TrainingSettings) -> nn.Module:
        if is_finished(folder / TRAINED):
            return load_trained(build_segmenter(kind, run.profile), folder / TRAINED)
        size, held_out = SEGMENTER_BATCH[run.profile], fold.without or SCANNED_PEOPLE
        crops = data.crops_without(fold.without)
        real = data.cts_without(fold.without) if fold.real else []
        batches = BoundaryBatches(crops, size, real, REAL_SHARE if real else 0.0)
        validation = BoundaryBatches(data.crops_with(held_out) or crops, size, seed=VALIDATION_SEED)
        return fit_segmenter(kind, run.profile, batches, (validation, data.cts_of(held_out)), folder, settings)

    base = run.base(SEGMENTER_STEPS, SEGMENTER_RATE, data.device)
    return train_fold(f"{kind}-{run.profile}", fold, fit_fold, work, len(data.crop_files), base, run)

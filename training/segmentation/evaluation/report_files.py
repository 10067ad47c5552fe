"""Write ``docs/evaluation/segmentation.md`` with its tables and pictures, from one command."""

from __future__ import annotations

import csv
import os
import platform
from dataclasses import asdict
from pathlib import Path

from models.bundle import Bundle
from synthetic_ct.vertebra import Spine
from training.segmentation.data.real_cts import RealCt
from training.segmentation.data.scan_files import ScanFiles, read_crop, read_trunk
from training.segmentation.evaluation.landmark_rates import evaluate_landmarks
from training.segmentation.evaluation.report_pictures import draw_curves, draw_generator, draw_overlays
from training.segmentation.evaluation.report_text import COLUMNS, METHODS, render_page
from training.segmentation.evaluation.trained_folds import TrainedFolds
from training.segmentation.evaluation.vertebra_scores import VertebraScore, score_folds
from training.segmentation.evaluation.whole_ct_outcomes import Outcome, evaluate_whole_cts
from training.segmentation.networks.unets import KINDS
from workers.engine import Engine

OVERLAYS = 8
"""Vertebrae that the picture of the segmentations shows."""
SHOWN_TRUNKS, SHOWN_CROPS = (2, 4, 6, 8), tuple(range(4, 36, 4))
"""Numbers of the synthetic scans that the picture of the generator shows: images of different people."""


def evaluate(
    bundle: Bundle,
    files: ScanFiles,
    spines: list[Spine],
    real: tuple[RealCt, ...],
    trained: TrainedFolds,
    out: Path,
) -> None:
    """Score every fold that has been trained and write tables and pictures into `out`.

    Parameters
    ----------
    bundle
        Template and tangent surrogate.
    files, spines, real
        Scans, the spines that synthetic people are made of, and the real CTs.
    trained
        Networks of the folds.
    out
        Folder of the page, made where it is missing.

    Raises
    ------
    RuntimeError
        A training is not finished.
    """
    out.mkdir(parents=True, exist_ok=True)
    scores, shown = score_folds(Engine(bundle), files, real, trained)
    outcomes = evaluate_whole_cts(spines, real, trained)
    rates = evaluate_landmarks(files, trained)
    if shown:
        draw_overlays(out / "segmentation.png", shown[:OVERLAYS])
    draw_generator(
        out / "generator.png",
        [read_trunk(files.trunks[i]) for i in SHOWN_TRUNKS if i < len(files.trunks)],
        [read_crop(files.crops[i]) for i in SHOWN_CROPS if i < len(files.crops)],
    )
    draw_curves(out / "segmentation-curves.png", {METHODS[kind]: trained.curve(kind) for kind in KINDS})
    _write_scores(out / "segmentation.csv", scores)
    _write_outcomes(out / "segmentation-whole.csv", outcomes)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, profile {trained.profile}"
    page = render_page(scores, outcomes, rates, trained.fusion_weights(), machine)
    (out / "segmentation.md").write_text(page, "utf-8")


def _write_scores(path: Path, scores: list[VertebraScore]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["method", "without", "case", "real", *COLUMNS])
        for score in scores:
            values = [f"{v:.4g}" for v in asdict(score.overlap).values()]
            writer.writerow([score.method, score.fold, score.case, int(score.real), *values])


def _write_outcomes(path: Path, outcomes: list[Outcome]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ct", "asked for", "verdict", "dsc", "answer"])
        writer.writerows([o.ct, o.level, o.verdict, f"{o.dsc:.3f}", o.answer] for o in outcomes)

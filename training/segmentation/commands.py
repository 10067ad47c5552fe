"""What ``python -m training scans``, ``segmentation`` and ``evaluate-segmentation`` do."""

from __future__ import annotations

import argparse
from pathlib import Path

from models.bundle import LANDMARKS, LOCATOR, SEGMENTER, Bundle
from training.artifacts.bundle_writer import write_manifest
from training.segmentation.data.real_cts import RealCt, data_folder_cts, verse_cts
from training.segmentation.data.real_scans import write_real_scans
from training.segmentation.data.scan_files import ScanFiles
from training.segmentation.data.source_spines import read_spines
from training.segmentation.data.synthetic_scans import make_crops, make_lumbosacral_crops, make_trunks


def make_scans(arguments: argparse.Namespace) -> ScanFiles:
    """Generate labelled CTs, and put the real ones on the grids of the networks."""
    folder: Path = arguments.work / "scans"
    spines = read_spines(arguments.data, arguments.work)
    crops = make_crops(spines, folder / "crops", arguments.crops, jobs=arguments.jobs)
    trunks = make_trunks(spines, folder / "trunks", arguments.trunks, jobs=arguments.jobs)
    lumbosacral = make_lumbosacral_crops(spines, folder / "lumbosacral", arguments.landmarks, jobs=arguments.jobs)
    real_crops, real_trunks = write_real_scans(_real_cts(arguments), folder / ("verse" if arguments.verse else "real"))
    return ScanFiles(crops, real_crops, trunks, real_trunks, lumbosacral)


def _real_cts(arguments: argparse.Namespace) -> tuple[RealCt, ...]:
    return verse_cts(arguments.verse) if arguments.verse else data_folder_cts(arguments.data)


def _trainings(arguments: argparse.Namespace) -> Path:
    """Return the folder of the trainings."""
    return Path(arguments.work / ("segmentation-verse" if arguments.verse else "segmentation"))


def evaluate_segmentation(arguments: argparse.Namespace) -> None:
    """Score every trained fold on the people it left out; write ``docs/evaluation/segmentation.md``."""
    from training.segmentation.evaluation.report_files import evaluate
    from training.segmentation.evaluation.trained_folds import TrainedFolds

    scans, spines = make_scans(arguments), read_spines(arguments.data, arguments.work)
    trained = TrainedFolds(_trainings(arguments), arguments.profile)
    evaluate(Bundle(arguments.out), scans, spines, _real_cts(arguments), trained, arguments.report)


def train_segmentation(arguments: argparse.Namespace) -> None:
    """Train the networks that find and segment a vertebra, fold by fold, and export those trained on all people.

    Locator and landmark network have no folds of single people: their bases, which have not seen the one person with a
    whole trunk, are evaluated.
    """
    from training.segmentation.fitting.fold_training import train_landmarks, train_locator, train_segmenter
    from training.segmentation.fitting.folds import ALL, folds
    from training.segmentation.fitting.onnx_export import export_landmarks, export_locator, export_segmenter

    how = (make_scans(arguments), _trainings(arguments), arguments.profile, arguments.steps)
    details = dict(Bundle(arguments.out).manifest.get("segmentation", {}))
    details["command"] = f"python -m training segmentation --profile {arguments.profile}"
    people = tuple(ct.person for ct in _real_cts(arguments))
    wanted = [fold for fold in folds(people) if not arguments.only or fold.name in arguments.only]
    for network in arguments.networks:
        if network == "locator":
            export_locator(train_locator(ALL, *how), arguments.out / LOCATOR)
            write_manifest(arguments.out, segmentation=details)
        elif network == "landmarks":
            export_landmarks(train_landmarks(ALL, *how), arguments.out / LANDMARKS)
            write_manifest(arguments.out, segmentation=details)
        else:
            for fold in wanted:
                model = train_segmenter(network, fold, *how)
                if fold == ALL and network == "bifusion":
                    export_segmenter(model, arguments.out / SEGMENTER)
                    details["vgg_share_a_level"] = [round(share, 3) for share in model.fusion_weights()]
                    write_manifest(arguments.out, segmentation=details)

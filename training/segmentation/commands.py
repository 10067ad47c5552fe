"""What ``python -m training scans``, ``segmentation`` and ``evaluate-segmentation`` do."""

from __future__ import annotations

import argparse
from pathlib import Path

from models.bundle import LANDMARKS, LOCATOR, SEGMENTER, Bundle
from training.bundle_writer import write_manifest
from training.segmentation.data.real_cts import RealCt, real_cts, verse_cts, write_real
from training.segmentation.data.source_spines import read_spines
from training.segmentation.data.synthetic_scans import make_crops, make_landmark_scans, make_trunks
from training.segmentation.fitting.folds import Scans


def make_scans(arguments: argparse.Namespace) -> Scans:
    """Generate labelled CTs, and put the real ones on the networks' grids."""
    folder: Path = arguments.work / "scans"
    spines = read_spines(arguments.data, arguments.work)
    crops = make_crops(spines, folder / "crops", arguments.crops, jobs=arguments.jobs)
    trunks = make_trunks(spines, folder / "trunks", arguments.trunks, jobs=arguments.jobs)
    junctions = make_landmark_scans(spines, folder / "junctions", arguments.junctions, jobs=arguments.jobs)
    real = write_real(_real(arguments), folder / ("verse" if arguments.verse else "real"))
    return Scans(crops, real[0], trunks, real[1], junctions)


def _real(arguments: argparse.Namespace) -> tuple[RealCt, ...]:
    return verse_cts(arguments.verse) if arguments.verse else real_cts(arguments.data)


def evaluate_segmentation(arguments: argparse.Namespace) -> None:
    """Score every trained fold on the person it left out; write ``docs/evaluation/segmentation.md``."""
    from training.segmentation.evaluation.report_files import Trained, evaluate

    scans, spines = make_scans(arguments), read_spines(arguments.data, arguments.work)
    trained = Trained(arguments.work / ("segmentation-verse" if arguments.verse else "segmentation"), arguments.profile)
    evaluate(Bundle(arguments.out), scans, spines, _real(arguments), trained, arguments.report)


def train_segmentation(arguments: argparse.Namespace) -> None:
    """Train the networks that find and segment a vertebra, a fold after the other, and export those of all people."""
    from training.segmentation.fitting.folds import ALL, folds, train_landmarks, train_locator, train_segmenter
    from training.segmentation.fitting.onnx_export import export_landmarks, export_locator, export_segmenter

    scans = make_scans(arguments)
    work: Path = arguments.work / ("segmentation-verse" if arguments.verse else "segmentation")
    how = (scans, work, arguments.profile, arguments.steps)
    people = tuple(ct.person for ct in _real(arguments))
    wanted = [fold for fold in folds(people) if not arguments.only or fold.name in arguments.only]
    details = dict(Bundle(arguments.out).manifest.get("segmentation", {}))
    details["command"] = f"python -m training segmentation --profile {arguments.profile}"
    of_trunks = {  # their bases, without the one person of whom there is a whole trunk, are what is tested
        "locator": (train_locator, export_locator, LOCATOR),
        "junctions": (train_landmarks, export_landmarks, LANDMARKS),
    }
    for network in arguments.networks:
        if network in of_trunks:
            train, export, name = of_trunks[network]
            export(train(ALL, *how), arguments.out / name)
            write_manifest(arguments.out, segmentation=details)
            continue
        for fold in wanted:
            model = train_segmenter(network, fold, *how)
            if fold == ALL and network == "bifusion":
                export_segmenter(model, arguments.out / SEGMENTER)
                details["vgg_share_a_level"] = [round(share, 3) for share in model.fusion_weights()]
                write_manifest(arguments.out, segmentation=details)

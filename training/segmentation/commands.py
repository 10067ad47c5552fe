"""What the commands of ``python -m training`` that concern the segmentation do."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.bundle import LANDMARKS, LOCATOR, ROW, SEGMENTER, Bundle

if TYPE_CHECKING:
    from training.segmentation.data.real_cts import RealCt
    from training.segmentation.data.scan_files import ScanFiles, TrunkFiles
    from training.segmentation.fitting.fold_runs import TrainingRun
    from training.segmentation.fitting.folds import Fold
    from training.segmentation.networks.unets import Kind
    from training.segmentation.synthesis.row_window_files import RowFiles


def make_scans(arguments: argparse.Namespace) -> ScanFiles:
    """Generate the labelled CTs of locator and landmark network, and put the real ones on their grids."""
    from training.segmentation.data.scan_files import ScanFiles
    from training.segmentation.data.source_spines import read_spines
    from training.segmentation.data.synthetic_scans import make_crops, make_lumbosacral_crops

    folder: Path = arguments.work / "scans"
    spines = read_spines(arguments.data, arguments.work)
    crops = make_crops(spines, folder / "crops", arguments.crops, jobs=arguments.jobs)
    lumbosacral = make_lumbosacral_crops(spines, folder / "lumbosacral", arguments.landmarks, jobs=arguments.jobs)
    trunks = make_trunk_files(arguments)
    return ScanFiles(crops, _real_scans(arguments)[0], trunks.drawn, trunks.real, lumbosacral)


def make_trunk_files(arguments: argparse.Namespace) -> TrunkFiles:
    """Make the trunks that the locator learns from, where they are missing."""
    from training.segmentation.data.annotations import read_annotations
    from training.segmentation.data.label_map_trunks import make_label_map_trunks
    from training.segmentation.data.marked_trunks import make_marked_trunks
    from training.segmentation.data.scan_files import TrunkFiles
    from training.segmentation.data.source_spines import read_spines
    from training.segmentation.data.synthetic_scans import make_trunks

    folder: Path = arguments.work / "scans"

    def draw(target: Path) -> list[Path]:
        return make_trunks(read_spines(arguments.data, arguments.work), target, arguments.trunks, jobs=arguments.jobs)

    drawn = _files(folder / "trunks", "*.npz", arguments.trunks, draw)[: arguments.trunks]
    maps = make_label_map_trunks(arguments.data, folder / "label_map_trunks", jobs=arguments.jobs)
    marks = () if _own_list(arguments) else read_annotations()
    marked = make_marked_trunks(marks, arguments.data, folder / "marked_trunks")
    return TrunkFiles(drawn + maps, _real_scans(arguments)[1] + marked)


def _real_scans(arguments: argparse.Namespace) -> tuple[list[Path], list[Path]]:
    """Put real CTs with label maps on the grids of the networks; return the files of the crops and of the trunks."""
    from training.segmentation.data.real_scans import write_real_scans

    return write_real_scans(_real_cts(arguments), arguments.work / "scans" / (_own_list(arguments) or "real"))


def annotate(arguments: argparse.Namespace) -> None:
    """Draw the real CTs for marking by looking; with ``--check`` check the marks and draw them."""
    from training.segmentation.data.annotate import annotate_label_maps, check_marks, draw_for_marking
    from training.segmentation.data.annotations import ANNOTATIONS
    from workers.engine import Engine

    folder: Path = arguments.work / "annotation"
    if not arguments.check:
        annotate_label_maps(arguments.data)
        draw_for_marking(arguments.data, folder, Engine(Bundle(arguments.out)).finder.locator, arguments.cts)
        print(f"pictures: {folder}; write what you see into {ANNOTATIONS}, then run this with --check")
        return
    for annotation in check_marks(arguments.data, folder, arguments.cts):
        print(f"{annotation.name}: {' '.join(annotation.levels)}, known by {annotation.known_by}")


def outline_cts(arguments: argparse.Namespace) -> None:
    """Outline the marked CTs that nobody labelled with the segmenter's base; write what was kept after looking."""
    from training.segmentation.data.own_outline_verdicts import VERDICTS
    from training.segmentation.evaluation.own_outline_files import write_own_outlines
    from training.segmentation.evaluation.trained_folds import TrainedFolds
    from training.segmentation.fitting.folds import BASE
    from workers.engine import engine

    base = TrainedFolds(_trainings(arguments), arguments.profile)
    engine().finder.segmenter = base.segmenter("bifusion", BASE)
    pictures: Path = arguments.work / "own_outlines"
    paths = write_own_outlines(arguments.data, arguments.work / "scans" / "labelled", pictures)
    print(f"{len(paths)} CTs to learn from; pictures: {pictures}; what is kept, and why: {VERDICTS}")


def make_anatomy(arguments: argparse.Namespace) -> tuple[list[Path], list[Path]]:
    """Make the files that the segmenter learns from, where they are missing.

    A machine that has all of them needs nothing else: no data folder, PyVista or NIfTI reader.

    Returns
    -------
    Files of anatomy crops, drawn and from whole label maps, and files of labelled real CTs.
    """
    folder: Path = arguments.work / "scans"

    def draw(target: Path) -> list[Path]:
        from training.segmentation.data.anatomy_drawing import make_anatomy_crops
        from training.segmentation.data.source_spines import read_spines

        spines = read_spines(arguments.data, arguments.work)
        return make_anatomy_crops(spines, target, arguments.anatomy, jobs=arguments.jobs)

    def cut(target: Path) -> list[Path]:
        from training.segmentation.data.label_map_crops import make_label_map_crops

        return make_label_map_crops(arguments.data, target)

    def label(target: Path) -> list[Path]:
        from training.segmentation.data.labelled_ct_files import write_labelled_cts

        return write_labelled_cts(_real_cts(arguments), target)

    # real CTs first: a list that is wrong is refused before the long drawing
    labelled = _files(folder / "-".join(filter(None, ("labelled", _own_list(arguments)))), "*.npz", 1, label)
    drawn = _files(folder / "anatomy", "*.xz", arguments.anatomy, draw)
    maps = _files(folder / "label_maps", "*.xz", 1, cut)
    return drawn[: arguments.anatomy] + maps, labelled


def make_row_files(arguments: argparse.Namespace) -> RowFiles:
    """Make the windows that the row network learns from, where they are missing."""
    from training.segmentation.data.annotations import read_annotations
    from training.segmentation.synthesis.row_window_files import RowFiles, make_real_row_windows, make_row_windows

    crops, _ = make_anatomy(arguments)
    folder: Path = arguments.work / "scans"
    drawn = make_row_windows(crops, folder / "row_windows", arguments.rows, jobs=arguments.jobs)
    marked = () if _own_list(arguments) else read_annotations()
    return RowFiles(drawn, make_real_row_windows(marked, arguments.data, folder / "row_windows_real"))


def _files(folder: Path, pattern: str, count: int, make: Callable[[Path], list[Path]]) -> list[Path]:
    """Return the files of a folder, which are made where there are fewer than `count`."""
    files = sorted(folder.glob(pattern))
    return files if len(files) >= count else make(folder)


def _real_cts(arguments: argparse.Namespace) -> tuple[RealCt, ...]:
    from training.segmentation.data.manifest_cts import manifest_cts
    from training.segmentation.data.real_cts import data_folder_cts, verse_cts

    if arguments.manifest:
        return manifest_cts(arguments.manifest, tuple(arguments.level))
    return verse_cts(arguments.verse) if arguments.verse else data_folder_cts(arguments.data)


def _own_list(arguments: argparse.Namespace) -> str:
    """Return the name of the source list that takes the place of the data folder's CTs; empty without one."""
    return "manifest" if arguments.manifest else "verse" if arguments.verse else ""


def _folds(arguments: argparse.Namespace) -> list[Fold]:
    """Return the folds of the segmenter that are wanted, the base first."""
    from training.segmentation.fitting.folds import BASE, folds

    later = folds(tuple(ct.person for ct in _real_cts(arguments))) if _own_list(arguments) else folds()
    return [fold for fold in (BASE, *later) if not arguments.only or fold.name in arguments.only]


def _trainings(arguments: argparse.Namespace) -> Path:
    """Return the folder of the trainings."""
    return Path(arguments.work / "-".join(filter(None, ("segmentation", _own_list(arguments)))))


def evaluate_segmentation(arguments: argparse.Namespace) -> None:
    """Score every trained fold on the people it left out; write ``docs/evaluation/segmentation.md``."""
    from training.segmentation.data.source_spines import read_spines
    from training.segmentation.evaluation.report_files import evaluate
    from training.segmentation.evaluation.trained_folds import TrainedFolds

    scans, spines = make_scans(arguments), read_spines(arguments.data, arguments.work)
    trained = TrainedFolds(_trainings(arguments), arguments.profile)
    evaluate(Bundle(arguments.out), scans, spines, _real_cts(arguments), trained, arguments.report)


def score_segmenter(arguments: argparse.Namespace) -> None:
    """Print how well the segmenter's base does on real vertebrae of people it has not seen."""
    from training.segmentation.evaluation.trained_folds import TrainedFolds
    from training.segmentation.evaluation.vertebra_scores import score_base
    from workers.engine import engine

    trained = TrainedFolds(_trainings(arguments), arguments.profile)
    print("vertebra; DSC; mean distance, mm; p95, mm; NMAE, %; change of the peak, %")
    for turned in (True, False):
        print("in the vertebra's own frame" if turned else "in the scan's axes")
        for score in score_base(engine(), _real_cts(arguments), trained, turned):
            overlap, stress = score.overlap, score.stress
            change = f"{stress.nmae_percent:.2f}; {stress.peak_change_percent:+.0f}" if stress else "no mesh fits; "
            print(f"{score.case}; {overlap.dsc:.3f}; {overlap.mean_mm:.2f}; {overlap.p95_mm:.2f}; {change}", flush=True)


def calibrate_outline(arguments: argparse.Namespace) -> None:
    """Fit the expected error of an outline to the outlines of the segmenter's base; write it into the manifest."""
    from dataclasses import asdict
    from itertools import chain, islice

    from training.artifacts.bundle_writer import write_manifest
    from training.segmentation.evaluation.outline_calibration import fit_law, measure_outlines, within_factor_two
    from training.segmentation.evaluation.synthesised_cases import held_out_crops, synthesised_cases
    from training.segmentation.evaluation.trained_folds import TrainedFolds
    from training.segmentation.evaluation.vertebra_scores import real_cases
    from training.segmentation.fitting.folds import BASE
    from workers.engine import engine

    segmenter = TrainedFolds(_trainings(arguments), arguments.profile).segmenter("bifusion", BASE)
    drawn = synthesised_cases(held_out_crops(arguments.work / "scans" / "anatomy"))
    cases = chain(real_cases(BASE, _real_cts(arguments)), islice(drawn, arguments.count))
    errors = measure_outlines(engine(), segmenter, cases, arguments.work / "outlines.jsonl")
    law = asdict(fit_law(errors))
    print(law)
    print(
        f"{len(errors)} outlines; within a factor of 2, each person left out in turn: {within_factor_two(errors):.0%}"
    )
    write_manifest(arguments.out, outline_calibration=law)


def train_segmentation(arguments: argparse.Namespace) -> None:
    """Train the networks that find and segment a vertebra, fold by fold, and export those trained on all people.

    Locator, row network and landmark network have no folds of single people: their bases, which have not seen the one
    person with a whole trunk, are evaluated.
    """
    details = dict(Bundle(arguments.out).manifest.get("segmentation", {}))
    details["command"] = f"python -m training segmentation --profile {arguments.profile}"
    others = [network for network in arguments.networks if network in ("locator", "row", "landmarks")]
    if others:
        _train_others(arguments, others, details)
    kinds = [network for network in arguments.networks if network not in others]
    if kinds:
        _train_segmenters(arguments, kinds, details)


def _train_others(arguments: argparse.Namespace, networks: list[str], details: dict[str, Any]) -> None:
    """Train and export locator, row network and landmark network."""
    from training.artifacts.bundle_writer import write_manifest
    from training.segmentation.data.scan_files import people_of_files
    from training.segmentation.fitting.fold_training import train_landmarks, train_row
    from training.segmentation.fitting.folds import ALL
    from training.segmentation.fitting.onnx_export import export_landmarks, export_row

    work, run = _trainings(arguments), _training_run(arguments)
    for network in networks:
        if network == "locator":
            _train_locator(arguments, details)
        elif network == "row":
            files = make_row_files(arguments)
            export_row(train_row(ALL, files, work, run), arguments.out / ROW)
            details["people"] = dict(details.get("people", {})) | {"row": people_of_files(files.real)}
        else:
            export_landmarks(train_landmarks(ALL, make_scans(arguments), work, run), arguments.out / LANDMARKS)
        write_manifest(arguments.out, segmentation=details)


def _train_locator(arguments: argparse.Namespace, details: dict[str, Any]) -> None:
    """Train the wanted folds of the locator and export the one that all people trained."""
    from dataclasses import replace

    from training.segmentation.data.scan_files import people_of_files
    from training.segmentation.fitting.bundle_start import start_from_locator
    from training.segmentation.fitting.fold_training import train_locator
    from training.segmentation.fitting.folds import ALL
    from training.segmentation.fitting.onnx_export import export_locator

    files, work, run = make_trunk_files(arguments), _trainings(arguments), _training_run(arguments)
    if arguments.from_bundle:
        run = replace(run, start=start_from_locator(arguments.out / LOCATOR, work, run.profile))
    for fold in _locator_folds(arguments):
        model = train_locator(fold, files, work, run)
        if fold == ALL:
            export_locator(model, arguments.out / LOCATOR)
            details["people"] = dict(details.get("people", {})) | {"locator": people_of_files(files.real)}


def _locator_folds(arguments: argparse.Namespace) -> list[Fold]:
    """Return the folds of the locator that are wanted: the one to be shipped, unless others are named."""
    from training.segmentation.data.annotations import marked_people
    from training.segmentation.fitting.folds import ALL, halves

    return [fold for fold in halves(marked_people()) if fold.name in (arguments.only or (ALL.name,))]


def _training_run(arguments: argparse.Namespace) -> TrainingRun:
    from training.segmentation.fitting.fold_runs import TrainingRun

    minutes = tuple(arguments.minutes) if arguments.minutes else None
    return TrainingRun(arguments.profile, arguments.steps, minutes, base_start=arguments.base_start)


def _train_segmenters(arguments: argparse.Namespace, kinds: list[Kind], details: dict[str, Any]) -> None:
    """Train the folds of the segmenters; export BiFusion-UNet where ONNX is installed."""
    from training.segmentation.fitting.folds import ALL
    from training.segmentation.fitting.segmenter_data import SegmenterData
    from training.segmentation.fitting.segmenter_training import train_segmenter
    from training.segmentation.fitting.training_loop import default_device

    data = SegmenterData(*make_anatomy(arguments), arguments.device or default_device())
    run = _training_run(arguments)
    for kind in kinds:
        for fold in _folds(arguments):
            model = train_segmenter(kind, fold, data, _trainings(arguments), run)
            if fold != ALL or kind != "bifusion":
                continue
            if find_spec("onnx") is None or find_spec("nibabel") is None:
                print(
                    "onnx or nibabel is missing: run the same command where both are, with the checkpoints, to export"
                )
                continue
            from training.artifacts.bundle_writer import write_manifest
            from training.segmentation.data.labelled_cts import read_labelled_ct
            from training.segmentation.fitting.onnx_export import export_segmenter

            export_segmenter(model, arguments.out / SEGMENTER)
            seen = sorted({read_labelled_ct(path).person for path in data.ct_files})
            details["people"] = dict(details.get("people", {})) | {"segmenter": seen}
            details["vgg_share_a_level"] = [round(share, 3) for share in model.fusion_weights()]
            write_manifest(arguments.out, segmentation=details)

"""Command line of the offline side: ``python -m training COMMAND``. Every command may be killed and started again.

The order: template, simulate, tangent, networks, calibrate, scans, segmentation, evaluate. Results are kept in
``--work`` until a command writes them into the bundle.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import workers  # noqa: F401  (thread settings, before NumPy)
from app.contract.params import LEVELS
from training.artifacts.bundle_folder import bundle_folder
from training.artifacts.data_folder import data_folder
from training.artifacts.refusal import RefusedInput

if TYPE_CHECKING:
    from training.shapes.sources import Source

PAPER_COUNT = 42 * 120
"""Size of the paper's population: 42 CTs with 120 shapes each (section II.C)."""
BUNDLE_HELP = "bundle folder that is written; what answers is the one in VERTEBRA_MODELS_DIR, also the default of this"
SEGMENTATION_NETWORKS = ("locator", "row", "landmarks", "bifusion", "vgg16", "resnet")


def _sources(arguments: argparse.Namespace) -> tuple[Source, ...]:
    from training.shapes.manifest import manifest_sources
    from training.shapes.sources import SOURCES, verse_sources

    if arguments.manifest:
        return manifest_sources(arguments.manifest, tuple(arguments.level))
    return verse_sources(arguments.verse, *arguments.level[:1]) if arguments.verse else SOURCES


def check_cases(arguments: argparse.Namespace) -> None:
    """Check every line of a manifest, its CTs and its masks before training with them; status 1 if one is wrong."""
    from training.shapes.case_check import print_check

    if not arguments.manifest:
        sys.exit("give the list of cases: --manifest CASES.csv")
    if not print_check(arguments.manifest, tuple(arguments.level)):
        sys.exit(1)


def make_template(arguments: argparse.Namespace) -> None:
    """Build the template and the shape model and write them into the bundle."""
    from training.shapes.make_template import make_template

    make_template(arguments.data, arguments.out)


def simulate(arguments: argparse.Namespace) -> None:
    """Register the sources, make the population and simulate it; solve the real vertebrae too."""
    from training.surrogates.simulation.simulate import PopulationInputs, simulate

    inputs = PopulationInputs(_sources(arguments), arguments.data, arguments.work, arguments.seed)
    simulate(inputs, arguments.count, arguments.jobs, arguments.backend)


def make_tangent(arguments: argparse.Namespace) -> None:
    """Differentiate the template's solution, reduce, and write the tangent surrogate into the bundle."""
    from training.surrogates.tangent.tangent_model import make_tangent

    make_tangent(_sources(arguments), arguments.data, arguments.work, arguments.out)


def train_networks(arguments: argparse.Namespace) -> None:
    """Train the paper's chain on the simulated population: once a fold of unseen people, then on everyone."""
    from training.surrogates.paper.fit_surrogate import fit_folds

    fit_folds(arguments.out, arguments.work, arguments.profile, arguments.folds, arguments.only)


def calibrate(arguments: argparse.Namespace) -> None:
    """Copy the trained chain into the bundle and fit the error estimates to simulated shapes."""
    from training.surrogates.calibration.calibrate_bundle import calibrate_bundle

    calibrate_bundle(arguments.out, arguments.work, arguments.profile, arguments.count)


def evaluate(arguments: argparse.Namespace) -> None:
    """Score every surrogate on real vertebrae of unseen people and on siblings; write docs/evaluation."""
    from training.surrogates.evaluation.accuracy_files import EvaluationInputs, evaluate

    inputs = EvaluationInputs(_sources(arguments), arguments.data, arguments.work, arguments.profile)
    evaluate(arguments.out, inputs, arguments.report)


def score_held_out(arguments: argparse.Namespace) -> None:
    """Print how well the surrogates do on two people of whom none was made, or on those of a manifest."""
    from training.shapes.sources import HELD_OUT_SOURCES, SOURCES
    from training.surrogates.evaluation.held_out_people import print_scores

    if arguments.manifest or arguments.verse:
        print_scores(_sources(arguments), arguments.data)
        return
    print_scores((*HELD_OUT_SOURCES, *SOURCES) if arguments.all else HELD_OUT_SOURCES, arguments.data)


def annotate(arguments: argparse.Namespace) -> None:
    """Draw the real CTs for marking body centres and levels by looking; with --check check and draw the marks."""
    from training.segmentation.commands import annotate

    annotate(arguments)


def make_scans(arguments: argparse.Namespace) -> None:
    """Generate labelled CTs, and put the real ones on the networks' grids."""
    from training.segmentation.commands import make_anatomy, make_scans

    scans, (anatomy, labelled) = make_scans(arguments), make_anatomy(arguments)
    print(f"surroundings: {len(scans.crops)} synthetic, {len(scans.real_crops)} real")
    print(f"trunks: {len(scans.trunks)} synthetic, {len(scans.real_trunks)} real")
    print(f"anatomy: {len(anatomy)} crops, {len(labelled)} real CTs")


def train_segmentation(arguments: argparse.Namespace) -> None:
    """Train the networks that find and segment a vertebra, and export them into the bundle."""
    from training.segmentation.commands import train_segmentation

    train_segmentation(arguments)


def evaluate_segmentation(arguments: argparse.Namespace) -> None:
    """Score the segmentation on people held out; write docs/evaluation/segmentation.md."""
    from training.segmentation.commands import evaluate_segmentation

    evaluate_segmentation(arguments)


def _add_surrogates(add: Callable[..., argparse.ArgumentParser]) -> None:
    add("check-cases", check_cases)
    add("template", make_template)
    command = add("simulate", simulate)
    command.add_argument("--count", type=int, default=600, help=f"size of the population (the paper's: {PAPER_COUNT})")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--jobs", type=int, default=-1, help="parallel jobs, -1: one a core")
    command.add_argument("--backend", default="loky", help="joblib backend: loky (local), dask, ray ...")
    add("tangent", make_tangent)
    command = add("networks", train_networks)
    command.add_argument("--profile", default="shipped", help="widths: paper, shipped or tiny")
    command.add_argument("--folds", type=int, default=4, help="groups of people held out in turn; 7: one by one")
    command.add_argument("--only", nargs="*", help="train only these: fold0 ... all")
    command = add("calibrate", calibrate)
    command.add_argument("--profile", default="shipped", help="whose networks")
    command.add_argument("--count", type=int, default=250, help="number of simulated shapes")
    command = add("score-held-out", score_held_out)
    command.add_argument("--all", action="store_true", help="also the vertebrae that the surrogates were made of")
    command = add("evaluate", evaluate)
    command.add_argument("--profile", default="shipped", help="whose networks")
    command.add_argument("--report", type=Path, default=Path("docs/evaluation"), help="folder of tables and figures")


def score_segmenter(arguments: argparse.Namespace) -> None:
    """Print how well the segmenter's base does on real vertebrae of people it has not seen."""
    from training.segmentation.commands import score_segmenter

    score_segmenter(arguments)


def outline_cts(arguments: argparse.Namespace) -> None:
    """Outline the CTs that nobody labelled, to be looked at; write the outlines that were kept for training."""
    from training.segmentation.commands import outline_cts

    outline_cts(arguments)


def evaluate_cts(arguments: argparse.Namespace) -> None:
    """Ask the shipped networks for every level of every annotated real CT; write docs/evaluation/real-cts.md."""
    from training.segmentation.evaluation.real_ct_files import Request, evaluate_real_cts

    names = tuple(arguments.cts) if arguments.cts else None
    request = Request(names, arguments.flag, not arguments.no_seeds, tuple(arguments.base))
    evaluate_real_cts(arguments.data, arguments.work, arguments.report, request)


def calibrate_outline(arguments: argparse.Namespace) -> None:
    """Fit the expected error of an outline on vertebrae of people that the segmenter's base has not seen."""
    from training.segmentation.commands import calibrate_outline

    calibrate_outline(arguments)


def _add_segmentation(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add("annotate", annotate)
    command.add_argument("--check", action="store_true", help="check the marks against the CTs and draw them")
    command.add_argument("--cts", nargs="*", help="folders of the CTs that are wanted; all without it")
    command = add("evaluate-cts", evaluate_cts)
    command.add_argument("--cts", nargs="*", help="folders of the CTs that are wanted; all without it")
    command.add_argument("--flag", action="store_true", help="ask refused levels again with on_uncertain_level flag")
    networks = ("locator", "row", "landmarks", "segmenter")
    command.add_argument("--base", nargs="*", default=[], choices=networks, help="ask the bases of these networks")
    command.add_argument("--no-seeds", action="store_true", help="leave out the requests with seeds")
    command.add_argument("--report", type=Path, default=Path("docs/evaluation"), help="folder of page and picture")
    make, train = add("scans", make_scans), add("segmentation", train_segmentation)
    for command in (make, train, add("evaluate-segmentation", evaluate_segmentation)):
        command.add_argument("--profile", default="shipped", help="widths: paper, shipped or tiny")
        command.add_argument(
            "--report", type=Path, default=Path("docs/evaluation"), help="folder of tables and pictures"
        )
        command.add_argument(
            "--crops", type=int, default=640, help="synthetic CTs about a vertebra, for the landmark network"
        )
        command.add_argument("--anatomy", type=int, default=600, help="drawn anatomy that the segmenter learns from")
        command.add_argument("--landmarks", type=int, default=240, help="synthetic surroundings of L5 and S1")
        command.add_argument("--rows", type=int, default=600, help="synthesised CTs that the row network learns from")
        command.add_argument("--trunks", type=int, default=240, help="synthetic trunks")
        command.add_argument("--jobs", type=int, default=-1, help="parallel jobs, -1: one a core")
    add("score-segmenter", score_segmenter).add_argument("--profile", default="shipped", help="whose base")
    add("outline-cts", outline_cts).add_argument("--profile", default="shipped", help="whose base")
    outline = add("calibrate-outline", calibrate_outline)
    outline.add_argument("--profile", default="shipped", help="whose base")
    outline.add_argument("--count", type=int, default=80, help="CTs that are synthesised, beside the real ones")
    train.add_argument("--steps", type=int, help="of the base's training (default: the profile's)")
    train.add_argument("--networks", nargs="*", default=list(SEGMENTATION_NETWORKS), help="train only these")
    only = "train only these folds: base, a person's name or all of the segmenter; half0, half1 or all of the locator"
    train.add_argument("--only", nargs="*", help=only)
    train.add_argument(
        "--from-bundle", action="store_true", help="let the locator go on from the bundle's weights, not from its base"
    )
    train.add_argument("--base-start", type=Path, help="trained.pt that the base goes on from")
    train.add_argument("--device", help="of the segmenter: cuda or cpu (default: cuda where there is one)")
    train.add_argument(
        "--minutes", type=float, nargs=2, metavar=("BASE", "LATER"), help="longest time of a base and of a later fold"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True)

    def add(name: str, run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        command.add_argument("--data", type=Path, default=data_folder(), help="folder of source shapes")
        command.add_argument("--out", type=Path, default=bundle_folder(), help=BUNDLE_HELP)
        command.add_argument("--work", type=Path, default=Path("build/training"), help="folder of intermediate results")
        lists = command.add_mutually_exclusive_group()
        lists.add_argument(
            "--manifest", type=Path, help="train with the cases of this CSV file: ct, mask, convention, level, person"
        )
        lists.add_argument("--verse", type=Path, help="train with the people of this VerSe folder (BIDS)")
        command.add_argument(
            "--level", nargs="+", choices=LEVELS, default=None, help="levels of --manifest (all) or --verse (L1)"
        )
        command.set_defaults(run=run)
        return command

    _add_surrogates(add)
    _add_segmentation(add)
    arguments = parser.parse_args(argv)
    if arguments.level is None:
        arguments.level = ["L1"] if arguments.verse else list(LEVELS)
    try:
        arguments.run(arguments)
    except RefusedInput as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

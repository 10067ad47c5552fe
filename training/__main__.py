"""Command line of the offline side: ``python -m training COMMAND``. Every command may be killed and started again.

The order: template, simulate, tangent, networks, calibrate, scans, segmentation, evaluate. Results are kept in
``--work`` until a command writes them into the bundle.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

import workers  # noqa: F401  (thread settings, before NumPy)
from models.bundle import DEFAULT_BUNDLE, Bundle

if TYPE_CHECKING:
    from training.shapes.sources import Source

PAPER_COUNT = 42 * 120


def data_folder() -> Path:
    """Return the folder of real data: ``$VERTEBRA_DATA``, or ``../shared/data`` beside the repository."""
    return Path(os.environ.get("VERTEBRA_DATA", Path(__file__).parents[2] / "shared" / "data"))


def _sources(arguments: argparse.Namespace) -> tuple[Source, ...]:
    from training.shapes.sources import SOURCES, verse_sources

    return verse_sources(arguments.verse) if arguments.verse else SOURCES


def make_template(arguments: argparse.Namespace) -> None:
    """Build the template and the shape model and write them into the bundle."""
    from training.bundle_writer import write_manifest, write_shape_model, write_template
    from training.shapes.template_mesh import MEAN_WEIGHTS, build

    template, model = build(arguments.data)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_template(arguments.out, template)
    write_shape_model(arguments.out, model)
    write_manifest(
        arguments.out,
        template={
            "command": "python -m training template --data DATA",
            "mean_of": MEAN_WEIGHTS,
            "surface_nodes": template.n_surface,
            "nodes": len(template.nodes),
            "tets": len(template.tets),
            "modes": model.n_modes,
        },
    )
    bundle = Bundle(arguments.out)
    sizes = {name: f"{entry['size'] / 1e6:.2f} MB" for name, entry in bundle.manifest["files"].items()}
    print(f"bundle {bundle.version} in {arguments.out}: {sizes}")


def simulate(arguments: argparse.Namespace) -> None:
    """Register the sources, make the population and simulate it; solve the real vertebrae too."""
    from training.surrogates.simulation import simulate as run
    from training.surrogates.simulation import simulate_real

    sources = _sources(arguments)
    simulate_real(sources, arguments.data, arguments.work)
    done, failures = run(
        sources,
        arguments.data,
        arguments.work,
        arguments.count,
        seed=arguments.seed,
        jobs=arguments.jobs,
        backend=arguments.backend,
    )
    print(f"{done} of {arguments.count} shapes simulated in {arguments.work / 'samples'}; {len(failures)} failed")
    for index, reason in sorted(failures.items()):
        print(f"  {index}: {reason}")


def make_tangent(arguments: argparse.Namespace) -> None:
    """Differentiate the template's solution, reduce, and write the tangent surrogate into the bundle."""
    from training.bundle_writer import write_manifest, write_npz
    from training.shapes.registration import mode_spread, register
    from training.surrogates.tangent.tangent_model import build_tangent, derive

    bundle = Bundle(arguments.out)
    derive(bundle, arguments.work)
    shapes = register(_sources(arguments), arguments.data, arguments.work)
    model = build_tangent(bundle, arguments.work, mode_spread(shapes))
    write_npz(arguments.out / "tangent.npz", **model.arrays())
    write_manifest(
        arguments.out,
        tangent={
            "command": "python -m training tangent --data DATA",
            "directions": model.reduction.shape[1],
            "coarse_nodes": len(model.coarse.nodes),
            "coarse_tets": len(model.coarse.tets),
            "spread_of": sorted({s.name for s in shapes}),
        },
    )
    print(f"{arguments.out / 'tangent.npz'}: {(arguments.out / 'tangent.npz').stat().st_size / 1e6:.1f} MB")


def train_networks(arguments: argparse.Namespace) -> None:
    """Train the paper's chain on the simulated population: once a fold of unseen people, then on everyone."""
    import numpy as np

    from training.surrogates.paper.dataset import cached_dataset
    from training.surrogates.paper.fit_surrogate import fit_chain, folds
    from training.surrogates.paper.networks.profile import PROFILES
    from training.surrogates.simulation import read_samples

    profile = PROFILES[arguments.profile]
    folder = arguments.work / f"networks-{arguments.profile}"
    folder.mkdir(parents=True, exist_ok=True)
    template = Bundle(arguments.out).template
    samples = read_samples(arguments.work / "samples")
    data = cached_dataset(folder / "dataset.npz", samples, template, profile.internal_points)
    groups = folds(data.people, arguments.folds)
    for i, held in enumerate((*groups, ())):
        name = f"fold{i}" if held else "all"
        if arguments.only and name not in arguments.only:
            continue
        work = folder / name
        if (work / "latents.npz").exists():
            continue
        chosen = data.subset(~np.isin(data.people, held))
        print(f"{name}: {len(chosen)} shapes, held out: {', '.join(held) or 'nobody'}")
        fit_chain(chosen, profile, work, held_out=held)


def calibrate(arguments: argparse.Namespace) -> None:
    """Copy the trained chain into the bundle and fit the error estimates to simulated shapes."""
    import itertools
    import json
    import shutil
    from dataclasses import asdict

    import numpy as np
    from scipy.stats import spearmanr

    from training.bundle_writer import write_manifest
    from training.surrogates.calibration import calibrate as fit
    from training.surrogates.calibration import gather, spread
    from training.surrogates.evaluation.scoring import load_fold
    from training.surrogates.paper.export_artifacts import OPSET
    from training.surrogates.simulation import Sample, read_samples
    from workers.engine import Engine
    from workers.fem.field import StressField
    from workers.fem.loads import REFERENCE_LOAD_NEWTON

    chain = arguments.work / f"networks-{arguments.profile}" / "all" / "bundle"
    for path in (*chain.glob("*.onnx"), *chain.glob("mapping.npz")):
        shutil.copy(path, arguments.out / path.name)
    trained = json.loads((chain / "manifest.json").read_text())
    folds = sorted(chain.parents[1].glob("fold*/bundle/manifest.json"))
    write_manifest(
        arguments.out,
        networks={
            "command": f"python -m training networks --profile {arguments.profile}",
            "opset": OPSET,
            "evaluated_without": [json.loads(path.read_text())["held_out"] for path in folds],
            **{key: trained[key] for key in ("people", "samples", "forests")},
        },
    )
    engine, found = Engine(Bundle(arguments.out)), {}
    unseen = [load_fold(path.parents[1], engine, competitors=False) for path in folds]

    def by_tangent(sample: Sample) -> StressField:
        return engine.tangent.predict(sample.points.astype(np.float64), REFERENCE_LOAD_NEWTON)

    def by_paper(sample: Sample) -> StressField:
        fold = next(fold for fold in unseen if sample.person in fold.held_out)
        return fold.chain.predict(sample.points.astype(np.float64), REFERENCE_LOAD_NEWTON)

    for surrogate, predict in (("tangent", by_tangent), ("paper", by_paper)):
        samples = itertools.islice(read_samples(arguments.work / "samples"), arguments.count)
        evidence = gather(engine, samples, predict)
        law = fit(evidence)
        found[surrogate] = asdict(law)
        real = gather(engine, read_samples(arguments.work / "real"), predict)
        knowns = {"residual": real.residual, "deviation": real.deviation}
        ranks = {name: spearmanr(known, real.nmae)[0] for name, known in knowns.items() if np.ptp(known) > 0.0}
        print(f"{surrogate}: {found[surrogate]}")
        print(f"  standard deviation of log(error / expected): simulated {spread(evidence, law):.2f}, ", end="")
        print(f"real {spread(real, law):.2f}; rank correlation with the error on real vertebrae: ", end="")
        print(", ".join(f"{name} {value:.2f}" for name, value in ranks.items()))
    write_manifest(arguments.out, calibration=found)


def evaluate(arguments: argparse.Namespace) -> None:
    """Score every surrogate on real vertebrae of unseen people and on siblings; write docs/evaluation."""
    from training.bundle_writer import write_manifest
    from training.surrogates.evaluation.accuracy_files import evaluate as run

    bundle = Bundle(arguments.out)
    metrics = run(bundle, _sources(arguments), arguments.data, arguments.work, arguments.profile, arguments.report)
    write_manifest(arguments.out, metrics=metrics)


def make_scans(arguments: argparse.Namespace) -> None:
    """Generate labelled CTs, and put the real ones on the networks' grids."""
    from training.segmentation.commands import make_scans as run

    scans = run(arguments)
    print(f"surroundings: {len(scans.crops)} synthetic, {len(scans.real_crops)} real")
    print(f"trunks: {len(scans.trunks)} synthetic, {len(scans.real_trunks)} real")


def train_segmentation(arguments: argparse.Namespace) -> None:
    """Train the networks that find and segment a vertebra, and export them into the bundle."""
    from training.segmentation.commands import train_segmentation as run

    run(arguments)


def evaluate_segmentation(arguments: argparse.Namespace) -> None:
    """Score the segmentation on people held out; write docs/evaluation/segmentation.md."""
    from training.segmentation.commands import evaluate_segmentation as run

    run(arguments)


def main() -> None:
    """Run the command named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True)

    def add(name: str, run: object) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        command.add_argument("--data", type=Path, default=data_folder(), help="folder of source shapes")
        command.add_argument("--out", type=Path, default=DEFAULT_BUNDLE, help="bundle folder")
        command.add_argument("--work", type=Path, default=Path("build/training"), help="folder of intermediate results")
        command.add_argument("--verse", type=Path, help="use the L1s of this VerSe folder (BIDS) as sources instead")
        command.set_defaults(run=run)
        return command

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
    command = add("evaluate", evaluate)
    command.add_argument("--profile", default="shipped", help="whose networks")
    command.add_argument("--report", type=Path, default=Path("docs/evaluation"), help="folder of tables and figures")
    for name, run in (
        ("scans", make_scans),
        ("evaluate-segmentation", evaluate_segmentation),
        ("segmentation", train_segmentation),
    ):
        command = add(name, run)
        command.add_argument("--profile", default="shipped", help="widths: paper, shipped or tiny")
        command.add_argument(
            "--report", type=Path, default=Path("docs/evaluation"), help="folder of tables and pictures"
        )
        command.add_argument("--crops", type=int, default=640, help="synthetic surroundings of a vertebra")
        command.add_argument("--junctions", type=int, default=240, help="synthetic surroundings of L5 and S1")
        command.add_argument("--trunks", type=int, default=240, help="synthetic trunks")
        command.add_argument("--jobs", type=int, default=-1, help="parallel jobs, -1: one a core")
    command.add_argument("--steps", type=int, help="of the base's training (default: the profile's)")
    networks = ["locator", "junctions", "bifusion", "vgg16", "resnet"]
    command.add_argument("--networks", nargs="*", default=networks, help="train only these")
    command.add_argument("--only", nargs="*", help="train only these folds: a person's name, all")
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()

"""``docs/evaluation/segmentation.md``: the tables and pictures, from one command."""

from __future__ import annotations

import csv
import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from models.bundle import Bundle
from synthetic_ct.vertebra import Spine
from training.segmentation.data.real_cts import RealCt, centres
from training.segmentation.data.reference_cases import ReferenceCase, case_of_crop, neighbouring_centres
from training.segmentation.data.synthetic_scans import read_crop, read_trunk, ready
from training.segmentation.evaluation import report_pictures as pictures
from training.segmentation.evaluation.baselines import bone_about, placed, template_mask
from training.segmentation.evaluation.landmark_rates import LandmarkRate, landmark_rates
from training.segmentation.evaluation.overlap import StressChange, overlap, segment, stress_change
from training.segmentation.evaluation.report_text import COLUMNS, NAMES, Row, document
from training.segmentation.evaluation.whole_ct_outcomes import Answer, ask_changed, ask_real, ask_synthetic
from training.segmentation.fitting.folds import ALL, BASE, GROUPS, Fold, Scans, folds
from training.segmentation.fitting.training_loop import load
from training.segmentation.networks.landmark_net import LANDMARK_WIDTHS, LandmarkNet
from training.segmentation.networks.locator_net import LOCATOR_WIDTHS, LocatorNet
from training.segmentation.networks.torch_session import TorchSession
from training.segmentation.networks.unets import KINDS, UNET_WIDTHS, BiFusionUNet, Kind, build
from workers.engine import Engine
from workers.imaging.network_input import CHANNELS
from workers.imaging.volume import Volume
from workers.locate.landmark_network import LandmarkNetwork
from workers.locate.locator import Locator
from workers.locate.segmenter import Segmenter, body_centre
from workers.locate.vertebra_finder import VertebraFinder

SYNTHETIC = 12
"""Synthetic vertebrae a fold."""
WHOLE, CHANGED = 20, 30
"""Synthetic whole CTs, and random changes of a real one, that are asked for L1."""
LANDMARK_SCANS = 150
"""Synthetic surroundings of vertebrae, and of lumbosacral junctions, in which ribs and sacrum are looked for, about."""
SHOWN = 8
LUMBAR = ("L1", "L2", "L3", "L4", "L5")


@dataclass(frozen=True)
class Trained:
    """The folds' networks: a folder of trainings, and the profile of their widths."""

    work: Path
    profile: str

    def has(self, network: str, fold: Fold) -> bool:
        """Whether a fold has been begun; that it is finished is checked when it is read."""
        return self._path(network, fold).exists()

    def segmenter(self, kind: Kind, fold: Fold) -> Segmenter:
        """Return a fold's segmenter."""
        return Segmenter(TorchSession(load(build(kind, CHANNELS, UNET_WIDTHS[self.profile]), self._path(kind, fold))))

    def localiser(self, fold: Fold) -> Locator:
        """Return a fold's localiser."""
        return Locator(TorchSession(load(LocatorNet(LOCATOR_WIDTHS[self.profile]), self._path("locator", fold))))

    def junctions(self, fold: Fold) -> LandmarkNetwork:
        """Return a fold's network that sees ribs and the sacrum."""
        return LandmarkNetwork(
            TorchSession(load(LandmarkNet(LANDMARK_WIDTHS[self.profile]), self._path("junctions", fold)))
        )

    def fusion_weights(self) -> list[float]:
        """Return the share of the VGG features a level in the network that is shipped; none where it is missing."""
        if not self.has("bifusion", ALL):
            return []
        network = load(build("bifusion", CHANNELS, UNET_WIDTHS[self.profile]), self._path("bifusion", ALL))
        assert isinstance(network, BiFusionUNet)
        return network.fusion_weights()

    def curve(self, network: str) -> list[dict[str, float]]:
        """Return the curves of a base's training."""
        path = self._path(network, BASE).with_name("curves.json")
        return list(json.loads(path.read_text())) if path.exists() else []

    def _path(self, network: str, fold: Fold) -> Path:
        return self.work / f"{network}-{self.profile}-{fold.name}" / "checkpoint.pt"


def evaluate(
    bundle: Bundle, scans: Scans, spines: list[Spine], real: tuple[RealCt, ...], trained: Trained, out: Path
) -> None:
    """Score every fold that has been trained and write tables and pictures into `out`.

    Raises
    ------
    RuntimeError
        A training is not finished.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows, shown = _rows(Engine(bundle), scans, real, trained)
    answers = _answers(spines, real, trained)
    rates = _junction_rates(scans, trained)
    if shown:
        pictures.overlays(out / "segmentation.png", shown[:SHOWN])
    pictures.generator(
        out / "generator.png",
        [read_trunk(path) for path in scans.trunks[2:10:2][:4]],
        [read_crop(path) for path in scans.crops[4:36:4][:8]],
    )
    _curves(out / "segmentation-curves.png", trained)
    _write_rows(out / "segmentation.csv", rows)
    _write_answers(out / "segmentation-whole.csv", answers)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, profile {trained.profile}"
    (out / "segmentation.md").write_text(document(rows, answers, rates, trained.fusion_weights(), machine), "utf-8")


def _rows(
    engine: Engine, scans: Scans, real: tuple[RealCt, ...], trained: Trained
) -> tuple[list[Row], list[tuple[ReferenceCase, Volume]]]:
    rows: list[Row] = []
    shown: list[tuple[ReferenceCase, Volume]] = []
    template = template_mask(engine.template)
    for fold in folds(tuple(ct.person for ct in real)):
        segmenters = _segmenters(fold, trained)
        if fold == ALL or not segmenters:
            continue
        best = "bifusion" if "bifusion" in segmenters else "bifusion-base"
        for case, is_real in tqdm(_cases(fold, scans, real), desc=f"without {fold.name}", disable=None):
            found = {name: segment(segmenter, case) for name, segmenter in segmenters.items()}
            found |= {"template": placed(template, case), "bone": bone_about(case)}
            for method, mask in found.items():
                change = None
                if is_real and method == best:
                    shown.append((case, mask))
                    change = _stress(engine, mask, case)
                rows.append(Row(method, fold.name, case.name, is_real, overlap(mask, case.reference), change))
    return rows, shown


def _segmenters(fold: Fold, trained: Trained) -> dict[str, Segmenter]:
    """Return what a fold is tested with: its own networks, and the bases if these have not seen its people either."""
    found = {str(kind): trained.segmenter(kind, fold) for kind in KINDS if trained.has(kind, fold)}
    if set(fold.without) <= set(BASE.without):
        found |= {f"{kind}-base": trained.segmenter(kind, BASE) for kind in KINDS if trained.has(kind, BASE)}
    return found


def _cases(fold: Fold, scans: Scans, real: tuple[RealCt, ...]) -> list[tuple[ReferenceCase, bool]]:
    """Return what a fold is tested on: real vertebrae of the people left out, synthetic ones made of theirs."""
    cases: list[tuple[ReferenceCase, bool]] = []
    for source in real:
        if source.person in fold.without:
            ct, mask = source.read()
            bodies = centres(mask, source.labels)
            for level in source.whole if len(real) <= GROUPS else set(source.whole) & {"L1"}:
                truth = np.isin(mask.voxels, source.labels[level])
                centre, _ = body_centre(truth, mask.affine)
                name = f"{source.person} {level}"
                reference = Volume(truth.astype(np.uint8), mask.affine)
                cases.append((ReferenceCase(name, ct, reference, centre, neighbouring_centres(level, bodies)), True))
    synthetic: list[tuple[ReferenceCase, bool]] = []
    for path in scans.crops:
        if len(synthetic) < SYNTHETIC and path.stem.endswith("_0"):
            crop = read_crop(path)
            if crop.people[0] in fold.without:
                synthetic.append((case_of_crop(crop, f"{path.stem} {crop.level}"), False))
    return cases + synthetic


def _stress(engine: Engine, found: Volume, case: ReferenceCase) -> StressChange | None:
    try:
        return stress_change(engine, found, case.reference)
    except Exception as error:  # what cannot be morphed is told in the table
        print(f"{case.name}: {type(error).__name__}")
        return None


def _answers(spines: list[Spine], real: tuple[RealCt, ...], trained: Trained) -> list[Answer]:
    """Return what whole CTs of people that neither network has seen are answered with."""
    unseen = BASE.without[0]
    answers: list[Answer] = []
    if not all(trained.has(network, BASE) for network in ("locator", "junctions", "bifusion")):
        return answers
    localiser, junctions = trained.localiser(BASE), trained.junctions(BASE)
    for source in real:
        fold = next((f for f in folds(tuple(ct.person for ct in real)) if f.without == (source.person,)), None)
        if fold and not source.calibrated and trained.has("bifusion", fold):
            finder = VertebraFinder(localiser, trained.segmenter("bifusion", fold), junctions)
            answers += ask_real(finder, source)
            if set(LUMBAR) <= set(source.whole):
                answers += ask_changed(finder, source, CHANGED)
    own = [spine for spine in spines if spine.person == unseen]
    if own:
        answers += ask_synthetic(VertebraFinder(localiser, trained.segmenter("bifusion", BASE), junctions), own, WHOLE)
    return answers


def _junction_rates(scans: Scans, trained: Trained) -> list[LandmarkRate]:
    """Return how often ribs and sacrum are seen in people that the network has not."""
    if not trained.has("junctions", BASE):
        return []
    reader, held = trained.junctions(BASE), []
    for paths in (scans.crops, scans.junctions):
        unseen = set(ready(paths, BASE.without))
        own = [path for path in paths if path not in unseen]
        held += own[:: max(1, len(own) // LANDMARK_SCANS)]
    return landmark_rates(reader, held, False) + landmark_rates(reader, scans.real_crops, True)


def _curves(path: Path, trained: Trained) -> None:
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    for kind in KINDS:
        if curve := trained.curve(kind):
            steps = [point["step"] for point in curve]
            losses.plot(steps, [point["loss"] for point in curve], label=NAMES[kind])
            scores.plot(steps, [point["f1"] for point in curve], label=NAMES[kind])
    losses.set(xlabel="step", ylabel="training loss")
    scores.set(xlabel="step", ylabel="F1 of people held out")
    if scores.lines:
        scores.legend()
    figure.savefig(path, dpi=80)


def _write_rows(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["method", "without", "case", "real", *COLUMNS])
        for row in rows:
            values = [f"{v:.4g}" for v in asdict(row.overlap).values()]
            writer.writerow([row.method, row.fold, row.case, int(row.real), *values])


def _write_answers(path: Path, answers: list[Answer]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ct", "asked for", "verdict", "dsc", "told"])
        writer.writerows([a.ct, a.level, a.verdict, f"{a.dsc:.3f}", a.told] for a in answers)

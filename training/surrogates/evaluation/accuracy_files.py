"""``docs/evaluation/``: the page, its figures and ``scores.csv``, from one command."""

from __future__ import annotations

import csv
import itertools
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.bundle import Bundle
from training.artifacts.bundle_writer import write_manifest
from training.artifacts.files import fingerprint
from training.artifacts.refusal import RefusedInput, needed
from training.shapes.registration import register
from training.shapes.sources import Source
from training.surrogates.evaluation import paper_figures
from training.surrogates.evaluation.accuracy_tables import Rows, medians, pick
from training.surrogates.evaluation.accuracy_text import accuracy_text
from training.surrogates.evaluation.mean_field import sum_fields
from training.surrogates.evaluation.methods import HELD_OUT, MEAN, PAPER, REFINED, SHIPPED, Methods
from training.surrogates.evaluation.paper_figures import Fields
from training.surrogates.evaluation.scoring import score_all
from training.surrogates.paper.dataset import stress_components
from training.surrogates.paper.held_out import load_fold
from training.surrogates.simulation.samples import Sample, read_samples
from workers.engine import Engine

SHOWN = ("totalsegmentator_L1", "verse005_L1", "visible_human_L1", "tptbox_L3", "verse010_L1", "verse004_L1")
"""One shape a person, in Fig. 14."""
N_SIBLINGS = 24
"""At most so many generated shapes that no network was trained on."""


@dataclass(frozen=True)
class EvaluationInputs:
    """What is evaluated beside the bundle.

    Attributes
    ----------
    sources, data
        The real vertebrae and their folder.
    work
        Folder with samples and networks.
    profile
        Name of the profile of the networks.
    """

    sources: tuple[Source, ...]
    data: Path
    work: Path
    profile: str

    @property
    def networks(self) -> Path:
        """The folder of the networks, one folder a fold and ``all``."""
        return self.work / f"networks-{self.profile}"


def evaluate(folder: Path, inputs: EvaluationInputs, out: Path) -> None:
    """Score the bundle in `folder`, write tables, figures and ``scores.csv`` into `out`, the medians into the manifest.

    The medians are those of the von Mises scores over the real vertebrae of unseen people, by method.
    """
    out.mkdir(parents=True, exist_ok=True)
    bundle = Bundle(folder)
    work, networks = inputs.work, inputs.networks
    with np.load(needed(networks / "dataset.npz", "networks")) as stored:
        trained = set(stored["names"].tolist())
    samples = read_samples(work / "samples")
    unused = list(itertools.islice((s for s in samples if s.name not in trained), N_SIBLINGS))
    if not unused:
        raise RefusedInput(f"The networks learned from every shape in {work / 'samples'}. Simulate {N_SIBLINGS} more.")
    methods = _load_methods(bundle, inputs, trained)
    made_with = fingerprint(bundle.folder / "tangent.npz", *sorted(networks.glob("*/bundle/manifest.json")))
    kept = work / "evaluation" / made_with
    real = score_all(methods, list(read_samples(work / "real")), True, kept / "real")
    siblings = score_all(methods, unused, False, kept / "siblings")
    _write_csv(out / "scores.csv", [*real, *siblings])
    _draw(methods, real, inputs, out)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, bundle {bundle.version}"
    held_out = [", ".join(sorted(fold.held_out)) for fold in methods.folds if fold.held_out]
    (out / "README.md").write_text(accuracy_text(real, siblings, machine, held_out), "utf-8")
    listed = (MEAN, PAPER, HELD_OUT, SHIPPED, REFINED)
    write_manifest(folder, metrics={method: medians(real, method) for method in listed})


def _load_methods(bundle: Bundle, inputs: EvaluationInputs, trained: set[str]) -> Methods:
    """Return all methods; `trained` names the samples that the networks were trained on."""
    engine, networks = Engine(bundle), inputs.networks
    paths = [*sorted(networks.glob("fold*")), networks / "all"]
    folds = [load_fold(path, engine.template, competitors=True) for path in paths]
    field_sums = sum_fields(s for s in read_samples(inputs.work / "samples") if s.name in trained)
    return Methods(engine, folds, field_sums, register(inputs.sources, inputs.data, inputs.work))


def _write_csv(path: Path, rows: Rows) -> None:
    """Write the rows of the von Mises stress."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        for row in rows:
            if row["component"] == "von_mises":
                writer.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})


def _draw(methods: Methods, real: Rows, inputs: EvaluationInputs, out: Path) -> None:
    template = methods.engine.template
    samples = {sample.name: sample for sample in read_samples(inputs.work / "real")}
    named = [samples[name] for name in SHOWN if name in samples]
    shown = [_fields(methods, sample) for sample in named or list(samples.values())[:3]]
    paper_figures.draw_losses(out / "fig12.png", inputs.networks / "all" / "curves.json")
    paper_figures.draw_predictions(out / "fig14.png", template, shown)
    paper_figures.draw_smoothing(out / "fig15.png", shown[:2])
    paper_figures.draw_box_plots(out / "fig16.png", real, "whole")
    paper_figures.draw_box_plots(out / "fig17.png", real, "loaded and clamped")
    paper_figures.draw_errors(out / "fig18.png", template, shown[::2][:3])
    paper_figures.draw_distances(out / "fig19.png", pick(real, region="whole"))


def _fields(methods: Methods, sample: Sample) -> Fields:
    von_mises = {method: values[:, 3] for method, values in methods.predict(sample, unseen=True).items()}
    return Fields(sample.name, sample.points.astype(np.float64), stress_components(sample.tensor)[:, 3], von_mises)

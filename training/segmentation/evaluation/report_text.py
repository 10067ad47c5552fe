"""The text and the tables of ``docs/evaluation/segmentation.md``."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import numpy as np

from training.segmentation.evaluation.landmark_rates import LandmarkRate
from training.segmentation.evaluation.vertebra_scores import VertebraScore
from training.segmentation.evaluation.whole_ct_outcomes import VERDICTS, Outcome

METHODS = {
    "bifusion": "BiFusion-UNet",
    "vgg16": "VGG16-UNet",
    "resnet": "ResNet-UNet",
    "bifusion-base": "BiFusion-UNet, synthetic CTs alone",
    "vgg16-base": "VGG16-UNet, synthetic CTs alone",
    "resnet-base": "ResNet-UNet, synthetic CTs alone",
    "template": "the template at the centre",
    "bone": "all bone around the centre",
}
COLUMNS = ("dsc", "fnd", "fpd", "recall", "mean_mm", "p95_mm")

INTRODUCTION = """# How well vertebrae are found and segmented

`python -m training evaluate-segmentation` writes this page ({machine}).

The networks are trained on synthetic CTs (see below) and on the few real CTs at hand. People are held out, not samples:
a network is tested on a person without having seen the person's CT or the shapes of the person's vertebrae. DSC, FND,
FPD and recall are eqs. 6 to 9 of the paper, counted on the voxels of the reference. Distances are between the surfaces,
both ways. Networks with `synthetic CTs alone` saw no real CT, and no shape of anybody tested. The others were trained
further with the real CTs of the other people; the shipped network was trained further with all real CTs.

The real CTs are small. One is an abdomen of 3 mm voxels, whose reference is itself automatic (TotalSegmentator, L1 to
L5). One is a crop of 1.5 mm voxels around an L3. One is an L2 of 1 mm voxels from which everything but bone was
removed; no hospital sends such a CT.

Research software. Not a medical device.
"""
REAL_CTS = """## Real CTs, each left out in turn

The paper (Table I, VerSe, L1): BiFusion-UNet DSC 0.866, FND 0.080, FPD 0.182, recall 0.920.
"""
EACH_VERTEBRA = """
The next table has BiFusion-UNet, vertebra by vertebra, and how the stress changes when our mask replaces the reference
(tangent surrogate, 500 N). The peak is that of all nodes; the percentile is that of the body.
"""
OVERLAYS = """
![Reference green, ours red](segmentation.png)

*Reference green, ours red.*
"""
WHOLE_CTS = """
## Whole CTs

Each vertebra is located, segmented, cleaned and checked as in a job without a mask, by networks that have not seen the
person. `right` is the vertebra asked for (DSC at least 0.5); `wrong` is any other bone, or a vertebra that the scan
cuts; `vertebra incomplete` means that the scan cuts the vertebra or does not show it. `segmentation-whole.csv` has all
answers.

| CT | asked for | verdict | DSC | answer |
| --- | --- | --- | --- | --- |
"""
RANDOM_CTS = {
    "altered": "alterations of the real abdomen CT: a larger or smaller person, bent, mirrored or askew, another field "
    "of view, slice thickness and noise (`training/segmentation/evaluation/altered_ct.py`)",
    "synthetic": "synthetic CTs of random field of view and protocol",
}
"""What the CTs are whose names begin with each key."""
LANDMARKS = """
## Ribs and sacrum

The table shows how the landmark network classifies vertebrae of people it has not seen. Real CTs contribute their
vertebrae that are neither cut nor without soft tissue, and also T12, which is cut, and S1. The network gets the body
centre with a random error, whose standard deviation is 2.5 mm along each axis. It is unsure of the vertebrae that are
missing from 100%.

| levels | CTs | vertebrae | ribs | none | above the last | on the sacrum | of the sacrum |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""
FUSION = """
## Fusion weights

Learned share of the VGG features at each resolution: {shares}. The ResNet has the rest."""
TRAINING = """
## Training

![Loss and F1](segmentation-curves.png)
"""
SYNTHETIC_CTS = """## The synthetic CTs

![Generator](generator.png)

*First row: trunks on the grid of the locator (4 mm) with their labels. Below: crops around single vertebrae, axial and
sagittal, the target outlined.*

The template is morphed onto the vertebrae of real spines, which keep their real arrangement. The generator mirrors
these spines, extends them upwards, varies them with the shape model, lets some vertebrae collapse, adds wear, and bends
them. It adds ribs, sacrum, hips, discs, canal, muscles, vessels, organs, gas, lungs and a couch. Hounsfield units,
contrast, lesions, metal, kernel, slice thickness, spacing and noise are random (after SynthSeg). `synthetic_ct` has one
file for each of these.
"""


def render_page(
    scores: list[VertebraScore],
    outcomes: list[Outcome],
    rates: list[LandmarkRate],
    vgg_shares: list[float],
    machine: str,
) -> str:
    """Return the page; what has no data has no section."""
    real, synthetic = [s for s in scores if s.real], [s for s in scores if not s.real]
    parts = [INTRODUCTION.format(machine=machine)]
    if real:
        own = [score for score in real if score.stress or score.method == "bifusion"]
        parts += [REAL_CTS, _methods_table(real), EACH_VERTEBRA, _vertebrae_table(own), OVERLAYS]
    if synthetic:
        parts += ["## Synthetic CTs of held-out people\n", _methods_table(synthetic)]
    if outcomes:
        parts.append(WHOLE_CTS + _outcomes_table(outcomes))
    if rates:
        parts.append(LANDMARKS + _landmarks_table(rates))
    if vgg_shares:
        parts.append(FUSION.format(shares=", ".join(f"f{i + 1} {share:.1%}" for i, share in enumerate(vgg_shares))))
    parts += [TRAINING, SYNTHETIC_CTS]
    return "\n".join(parts)


def _methods_table(scores: list[VertebraScore]) -> str:
    lines = [
        "| method | n | DSC | FND | FPD | recall | mean distance, mm | p95, mm |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for method, name in METHODS.items():
        own = [asdict(score.overlap) for score in scores if score.method == method]
        if own:
            cells = [f"{np.nanmean([o[c] for o in own]):.3f} ± {np.nanstd([o[c] for o in own]):.3f}" for c in COLUMNS]
            lines.append(f"| {name} | {len(own)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _vertebrae_table(scores: list[VertebraScore]) -> str:
    lines = [
        "| vertebra | DSC | recall | mean distance, mm | p95, mm | von Mises NMAE, % | peak, % | 99th percentile, % |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for score in scores:
        o, s = score.overlap, score.stress
        change = [f"{v:+.1f}" for v in asdict(s).values()] if s else ["no mesh fits", "", ""]
        change[0] = change[0].removeprefix("+")
        cells = [f"{o.dsc:.3f}", f"{o.recall:.3f}", f"{o.mean_mm:.2f}", f"{o.p95_mm:.2f}", *change]
        lines.append(f"| {score.case} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _outcomes_table(outcomes: list[Outcome]) -> str:
    """Return a line an outcome on a real CT, and a sentence on each kind of `RANDOM_CTS`."""
    lines = [f"| {o.ct} | {o.level} | {o.verdict} | {o.dsc:.3f} | {o.answer} |" for o in outcomes if not _kind(o)]
    for kind, description in RANDOM_CTS.items():
        own = [outcome for outcome in outcomes if _kind(outcome) == kind]
        if own:
            number = Counter(outcome.verdict for outcome in own)
            verdicts = "; ".join(f"{verdict}: {number[verdict]}" for verdict in VERDICTS)
            right = [outcome.dsc for outcome in own if outcome.verdict == "right"]
            mean = float(np.mean(right)) if right else float("nan")
            lines.append(
                f"\n{len(own)} {description}. Asked for L1: {verdicts}. Mean DSC of the right ones: {mean:.3f}."
            )
    return "\n".join(lines)


def _kind(outcome: Outcome) -> str | None:
    """Return the key of `RANDOM_CTS` that an outcome's CT is of; None for a real CT as it is."""
    return next((kind for kind in RANDOM_CTS if outcome.ct.startswith(f"{kind} ")), None)


def _landmarks_table(rates: list[LandmarkRate]) -> str:
    lines = []
    for rate in rates:
        shares = " | ".join(f"{share:.1%}" for share in (rate.ribs, rate.none, *rate.sacral))
        lines.append(f"| {rate.levels} | {'real' if rate.real else 'synthetic'} | {rate.count} | {shares} |")
    return "\n".join(lines)

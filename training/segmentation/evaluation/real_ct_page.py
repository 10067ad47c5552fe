"""The page and the table of what the shipped networks answer on real CTs (``docs/evaluation/real-cts.md``)."""

from __future__ import annotations

import csv
import textwrap
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from training.segmentation.data.annotations import Annotation
from training.segmentation.evaluation.real_ct_outcomes import LEVELS_ASKED
from training.segmentation.evaluation.real_ct_records import CtRecords, LevelRecord, SeedRecord
from training.segmentation.evaluation.real_ct_requests import VERDICTS

SHEET = "real-cts.png"
TITLE = "# What the service answers on real CTs\n"
HOW = """
Each CT of the data folder is asked for every level from T11 to L5, with the code of a job without a mask and with
{networks}. `training/segmentation/data/annotations.json` says what is in each CT. An answer is right where the body
centre of its outline is within 10 mm of the annotated one. A CT that a network has been trained with says nothing
about that network; the table says which those are. The people are few, so no share here has two digits."""
DISCLAIMER = """
Research software. Not a medical device.

## The CTs
"""
LINE = 118
"""Characters of a line of the page."""
LEVELS = """
## Every level

A vertebra is `whole` where the scan cuts nothing of it. `away` is the distance of the body centres. The row of bodies
is found once a CT, in the time of the first level. In a CT whose level is known by nothing certain (`uncertain` above)
an answer may be one level off without being wrong. The second table leaves out what was rightly refused; `real-cts.csv`
has all.
"""
REFERENCES = """
## Against reference masks

The reference is an automatic label map (TotalSegmentator) or a manual one (the crop). DSC is that of the masks.
Distances are between the surfaces of the answer's mesh and of the reference, both ways. `outline` is finite elements on
the answer's mesh against finite elements on the reference's; `total` is the prediction that the job returns against the
same. `told` is what the job says before it knows.
"""
SEEDS = """
## Seeds

A seed lies in the middle of each whole body, 12 mm to its right, left, front and back, and, where there is a reference
mask, in pedicles, lamina and processes.
"""
PICTURE = f"""
## Every answer

![Sagittal, coronal and axial plane with the outline]({SHEET})

*Sagittal, coronal and axial plane through the body of each answer, with its outline.*
"""


def render_page(
    annotations: tuple[Annotation, ...],
    records: list[CtRecords],
    seen: Mapping[str, tuple[str, ...]],
    made_by: str,
) -> str:
    """Return the page.

    Parameters
    ----------
    annotations, records
        Of the same CTs.
    seen
        People that each network was trained with.
    made_by
        Sentence on the command that wrote the page, the bundle, and the machine.
    """
    levels = [record for ct in records for record in ct.levels]
    seeds = [record for ct in records for record in ct.seeds]
    parts = [
        TITLE,
        _wrap(made_by) + "\n",
        _wrap(HOW.format(networks=_networks(seen))),
        DISCLAIMER,
        _cts_table(annotations, seen),
    ]
    parts += [LEVELS, _summary(levels), "", _levels_table(levels)]
    if any(record.score for record in levels):
        parts += [REFERENCES, _references_table([record for record in levels if record.score])]
    if seeds:
        parts += [SEEDS, _seeds_table(seeds)]
    if any(record.told for record in levels):
        parts.append(PICTURE)
    return "\n".join(parts).rstrip() + "\n"


def _networks(seen: Mapping[str, tuple[str, ...]]) -> str:
    bases = [network for network, people in seen.items() if not people]
    ship = "the networks that ship"
    return ship if not bases else f"{ship}, but with the bases of {' and '.join(bases)}, which have seen no real CT"


def _wrap(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), LINE, break_long_words=False, break_on_hyphens=False)


def _cts_table(annotations: tuple[Annotation, ...], seen: Mapping[str, tuple[str, ...]]) -> str:
    lines = ["| CT | bodies in view | whole, T11 to L5 | level known by | networks that have seen the person |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for annotation in annotations:
        whole = [body.level for body in annotation.bodies if body.whole and body.level in LEVELS_ASKED]
        networks = [network for network, people in seen.items() if annotation.person in people]
        cells = [annotation.name, f"{annotation.levels[0]} to {annotation.levels[-1]}", ", ".join(whole) or "none"]
        lines.append("| " + " | ".join([*cells, annotation.known_by, ", ".join(networks) or "none"]) + " |")
    return "\n".join(lines)


def _summary(levels: list[LevelRecord]) -> str:
    """Return a table of the verdicts, one column a mode; an answer without a flag counts with a flag too."""
    modes = [mode for mode in ("refuse", "flag") if any(record.mode == mode for record in levels)]
    counts = []
    for mode in modes:
        last = {(r.ct, r.level): r.verdict for r in levels if mode == "flag" or r.mode == "refuse"}
        counts.append(Counter(last.values()))
    lines = ["| verdict | " + " | ".join(f"`{mode}`" for mode in modes) + " |", "| --- |" + " --- |" * len(modes)]
    lines += [f"| {verdict} | " + " | ".join(str(count[verdict]) for count in counts) + " |" for verdict in VERDICTS]
    return "\n".join(lines)


def _levels_table(levels: list[LevelRecord]) -> str:
    lines = ["| CT | level | mode | verdict | away, mm | s | answer |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for r in levels:
        if r.verdict == "refused, cut or absent":
            continue
        cells = (r.ct, r.level, r.mode, r.verdict, _number(r.away_mm, ".1f"), f"{r.seconds:.1f}", _cell(r.answer))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _references_table(levels: list[LevelRecord]) -> str:
    lines = [
        "| vertebra | DSC | mean, p95, mm | outline: NMAE %, R², p99, peak | total: NMAE %, R², p99, peak | told, % |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for r in levels:
        assert r.score is not None
        fields = [
            f"{f['nmae_percent']:.2f}, {f['r2']:.2f}, {f['p99_ratio']:.2f}, {f['peak_ratio']:.2f}"
            for f in (r.score["outline"], r.score["total"])
        ]
        told = _number(r.told.get("total"), ".2f")
        distances = f"{r.score['mean_mm']:.2f}, {r.score['p95_mm']:.1f}"
        cells = (f"{r.ct} {r.level}", f"{r.score['dsc']:.3f}", distances, *fields, told)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _seeds_table(seeds: list[SeedRecord]) -> str:
    lines = ["| place | seeds | right | refused | wrong |", "| --- | --- | --- | --- | --- |"]
    for place in dict.fromkeys(seed.place for seed in seeds):
        own = Counter(seed.verdict for seed in seeds if seed.place == place)
        cells = (sum(own.values()), own["right"], own["refused though whole"], own["wrong"])
        lines.append(f"| {place} | " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _number(value: float | None, form: str) -> str:
    return "" if value is None or not np.isfinite(value) else format(value, form)


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


def write_table(path: Path, records: list[CtRecords]) -> None:
    """Write one line a request into a CSV file."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["ct", "level", "request", "verdict", "away_mm", "dsc", "nmae_percent", "told_percent", "answer"]
        )
        for ct in records:
            for r in ct.levels:
                score = r.score or {}
                nmae = score["total"]["nmae_percent"] if score else None
                numbers = (r.away_mm, score.get("dsc"), nmae, r.told.get("total"))
                writer.writerow([r.ct, r.level, r.mode, r.verdict, *(_number(n, ".3f") for n in numbers), r.answer])
            for s in ct.seeds:
                request = f"seed: {s.place}"
                writer.writerow([s.ct, s.level, request, s.verdict, _number(s.away_mm, ".3f"), "", "", "", s.answer])

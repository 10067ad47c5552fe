"""docs/evaluation/calibration.md, from the figures of `bench.calibration`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

PAGE = Path("docs/evaluation/calibration.md")
TEXT = """# Internal calibration: figures

Research, not diagnosis. `python -m bench.calibration bench-output/calibration.json` measured these figures and wrote
this page. [The patient's own bone](../explanation/bone.md) has the equations,
[decision 81](../decisions/0081-internal-calibration.md) the reasons.

## Real CTs

References in HU, trabecular density in mg/cm³ of K2HPO4: by `michalski_2020`, and by the `water_line`. Masks are the
reference's in the first two CTs, outlines of the networks in the others.

| CT | level | air | fat | muscle | blood | keV | R² | trabecular, HU | michalski_2020 | water_line |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
{levels}

Air is left out where whoever cropped the image filled in most of what is outside the patient.
{contrast}

Spread of L1 to L4, standard deviation over mean (largest less smallest over mean):

| CT | michalski_2020 | water_line |
| --- | --- | --- |
{spreads}

The same with one calibration for all levels of a CT, from references averaged by their volume. Jobs do not do so
([decision 87](../decisions/0087-tube-voltage.md)).

| CT | michalski_2020 | water_line |
| --- | --- | --- |
{shared}

The published table (VerSe'19, by the same method) has 114 ± 39 mg/cm³ without contrast agent.

## Is the spread of the example biological?

HU of the interior of the example's vertebrae: its plain mean, its median, and the mean that reports have, without what
lies more than three robust standard deviations from the median.

| level | plain mean | median | reported | left out |
| --- | --- | --- | --- | --- |
{interior}

{interior_words}

## Repeatability

By how much the trabecular density of a vertebra changes, mg/cm³, with the mesh fixed. Aimed at: ± 8.

| change | {repeat_names} |
| --- | {repeat_rules} |
{repeats}

Largest: {worst_michalski:.1f} mg/cm³ by `michalski_2020`, {worst_water:.1f} by the `water_line`. Each cell has both.

## The published calibration

With the references of the published run of verse004 (HU: fat -82.6, air -956.8, blood 39.2, cortical bone 1,226, muscle
24.6) our fit gives {their_kev:.1f} keV and R² {their_r2:.6f} in the published steps of 0.5 keV, {kev:.1f} and
{r2:.6f} in ours of 0.1; published are 97.0 and 0.998965. From its densities of the L2 the HU follow, and from these:

| | published calibration | water line of {slope:.3f} |
| --- | --- | --- |
| trabecular density, mg/cm³ | {published_density:.1f} | {water_line_density:.1f} |
| stiffness under the paper's traction, N/mm | {published_stiffness:,.0f} | {water_line_stiffness:,.0f} |

The HU image itself is not at hand, so the tissues of that scan could not be found by our own search.

## Time

Finding the references takes {finding_s:.2f} s of CPU time, all that density adds before the solve {whole_s:.2f} s.
"""


def write_page(result: Mapping[str, Any]) -> None:
    """Write the page from the parts of `bench.calibration`."""
    rows = result["repeats"]
    shifts = {key: max(abs(row[key]) for row in rows if key in row) for key in ("density", "water_line")}
    names = list(dict.fromkeys(_subject(row) for row in rows))
    enhanced = [row["name"] for row in result["levels"] if row.get("contrast")]
    text = TEXT.format(
        levels="\n".join(_level_row(row) for row in result["levels"]),
        contrast=" ".join(f"{name}: contrast agent in the blood, which a warning names." for name in enhanced),
        spreads="\n".join(_spreads(result["levels"])),
        shared="\n".join(_spreads(result["shared"])),
        interior="\n".join(_interior_row(row) for row in result["interior"]),
        interior_words=_interior_words(result["interior"]),
        repeat_names=" | ".join(names),
        repeat_rules=" | ".join("---" for _ in names),
        repeats="\n".join(_repeat_row(what, names, rows) for what in dict.fromkeys(row["what"] for row in rows)),
        worst_michalski=shifts["density"],
        worst_water=shifts["water_line"],
        **result["published"],
        **result["time"],
    )
    PAGE.write_text(text, encoding="utf-8")


def _subject(row: Mapping[str, Any]) -> str:
    return f"{row['name']}, {row['level']}"


def _level_row(row: Mapping[str, Any]) -> str:
    if "refused" in row:
        return f"| {row['name']} | {row['level']} | refused: {row['refused']} " + "| " * 9
    found = row["references"]
    tissues = [f"{found[name]:,.0f}" if name in found else "-" for name in ("air", "adipose", "muscle", "blood")]
    numbers = [
        f"{row['kev']:.1f}",
        f"{row['r2']:.4f}",
        *(f"{row[key]:.0f}" for key in ("hounsfield", "density", "water_line")),
    ]
    return f"| {row['name']} | {row['level']} | {' | '.join([*tissues, *numbers])} |"


def _spreads(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for name in dict.fromkeys(row["name"] for row in rows):
        of_name = [row for row in rows if row["name"] == name and "density" in row]
        if len(of_name) < 4:
            continue
        cells = []
        for key in ("density", "water_line"):
            values = [row[key] for row in of_name]
            spread, span = stdev(values) / mean(values), (max(values) - min(values)) / mean(values)
            cells.append(f"{spread:.1%} ({span:.1%})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _interior_row(row: Mapping[str, float]) -> str:
    values = " | ".join(f"{row[key]:.0f}" for key in ("mean", "median", "reported"))
    return f"| {row['level']} | {values} | {row['left_out']:.1%} |"


def _interior_words(rows: Sequence[Mapping[str, float]]) -> str:
    most = max(rows, key=lambda row: row["left_out"])
    plain, reported = (max(row[key] for row in rows) - min(row[key] for row in rows) for key in ("mean", "reported"))
    return (
        f"Plain means of the levels differ by {plain:.0f} HU, the reported ones by {reported:.0f}. In the level with "
        f"the largest share left out, {most['level']}, that\nshare is {most['left_out']:.1%}, and the plain mean is "
        f"{most['mean'] - most['median']:+.0f} HU from the median."
    )


def _repeat_row(what: str, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    found = {_subject(row): row for row in rows if row["what"] == what}
    cells = [
        "refused" if "refused" in found[name] else f"{found[name]['density']:+.1f} / {found[name]['water_line']:+.1f}"
        for name in names
    ]
    return f"| {what} | {' | '.join(cells)} |"

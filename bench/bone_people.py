"""Stiffness and strength of every L1 and L2 at hand beside the published table of VerSe'19.

`python -m bench.bone_people bench-output/bone-people` computes each CT as a job would, keeps its report in that folder
and goes on where it was broken off. It writes docs/evaluation/bone-people.md and bone.png.
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import workers  # noqa: F401  (thread settings, before NumPy)
from app.contract.errors import VertebraError
from app.contract.params import JobParams, Vertebra
from bench.bone import DATA, Published, trabecular_density, traction_stiffness
from bench.bone_picture import draw
from bench.bone_strength import caps_stiffness, crushed
from workers.bone.nonlinear_strength import STRAINS
from workers.bone.strength import STRENGTH_OVER_STIFFNESS
from workers.engine import Engine
from workers.pipeline import run_pipeline

TABLE = "reference/verse19_fe_strength.csv"
PAGE, PICTURE = Path("docs/evaluation/bone-people.md"), Path("docs/evaluation/bone.png")
ASKED = {"material": "density", "load_case": "caps", "strength": "nonlinear"}
"""As the published models: between caps of cement, and until the bone gives way."""
LEVELS: tuple[Vertebra, ...] = ("L1", "L2")
CALIBRATIONS: tuple[Mapping[str, str], ...] = ({"kind": "internal"}, {"kind": "none"})
"""In the order in which they are tried: what calibrates nothing leaves the default, which is marked."""
TEXT = """# The patient's own bone: people

Research, not diagnosis. `python -m bench.bone_people bench-output/bone-people` measured these figures, drew the picture
and wrote this page. [Figures of one published vertebra](bone.md); [how it is computed](../explanation/bone.md).

![Stiffness and strength of L1 and L2, published and ours](bone.png)

Dots: voxel models of VerSe'19 between cement caps (Bonelab/spineFE-benchmark).
{published}.

Marks: every L1 and L2 of the CTs at hand, between caps of cement too, `kopperdahl_2002`. Linear strength is
$0.0068\\,K\\,H$, nonlinear that of the bone crushed between plates. The tissues of the scan calibrate a CT
(`internal`), or its density is published; a hollow mark would be of a CT that nothing calibrates. Three people are no
distribution: the marks show that the numbers have the published size, and no more.

| CT | level | outline | calibration | density, mg/cm³ | stiffness, kN/mm | strength, kN: linear | nonlinear |
| --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

{refused}
"""


@dataclass(frozen=True)
class Person:
    """A CT at hand, below `DATA`, and a mask of it; without one the networks find and outline the vertebrae."""

    name: str
    ct: str
    mask: str | None = None


EXAMPLE = "ct/totalsegmentator_example"
PEOPLE = (
    Person("TotalSegmentator example", f"{EXAMPLE}/ct.nii.gz", f"{EXAMPLE}/vertebrae.nii.gz"),
    Person("TotalSegmentator example", f"{EXAMPLE}/ct.nii.gz"),
    Person("ACRIN 49F, low dose", "ct_unlabelled/acrin_petct_49f/ct.nii.gz"),
    Person("ACRIN 42F, low dose", "ct_unlabelled/acrin_petct_42f/ct.nii.gz"),
    Person("CPTAC 68F, 5 mm", "ct_unlabelled/cptac_pda_68f/ct.nii.gz"),
)


def main(folder: Path) -> None:
    """Compute what the folder does not have yet; write picture and page."""
    folder.mkdir(parents=True, exist_ok=True)
    measures = {"verse004": measure_published} | {
        f"{Path(person.ct).parent.name}-{_outline(person)}-{level}": partial(measure, person, level)
        for person in PEOPLE
        for level in LEVELS
    }
    found = [_kept(folder / f"{name}.json", measure) for name, measure in measures.items()]
    ours, refused = ([one for one in found if ("stiffness" in one) == done] for done in (True, False))
    published = {level: list(_published(level)) for level in LEVELS}
    draw(PICTURE, published, ours)
    PAGE.write_text(_text(published, ours, refused), encoding="utf-8")


def measure(person: Person, level: Vertebra) -> dict[str, Any]:
    """Return the numbers of a vertebra's report with the first calibration that is possible, or why there are none."""
    common = {"name": person.name, "level": level, "outline": _outline(person)}
    mask = DATA / person.mask if person.mask else None
    problem = ""
    for calibration in CALIBRATIONS:
        asked = {"vertebra": level, "calibration": calibration, **ASKED}
        try:
            params = JobParams.model_validate({**asked, "results": ["report.json"]})
            with tempfile.TemporaryDirectory() as out:
                run_pipeline(DATA / person.ct, mask, params, Path(out), lambda *_: None)
                bone = json.loads((Path(out) / "report.json").read_text())["bone"]
        except VertebraError as error:
            problem = error.title
            continue
        strength = bone["strength"]
        return common | {
            "calibration": bone["calibration"]["kind"],
            "trabecular": bone["trabecular_density_mg_cm3"],
            "stiffness": strength["stiffness_n_per_mm"],
            "strength": strength["linear_strength_newton"],
            "nonlinear": bone["nonlinear"]["strength_newton"],
        }
    return common | {"problem": problem}


def measure_published() -> dict[str, Any]:
    """Return the numbers of the L2 whose density is published, and not its CT."""
    subject = Published.of(Engine())
    stiffness = caps_stiffness(subject.engine, subject.points, subject.bone)
    _, height, _ = traction_stiffness(subject.engine, subject.points, subject.bone)
    curve = crushed(subject.engine, subject.points, subject.bone, height)["curve"]
    return {
        "name": "VerSe 004",
        "level": "L2",
        "outline": "mask",
        "calibration": "published density",
        "trabecular": trabecular_density(subject.engine, subject.points, subject.bone),
        "stiffness": stiffness,
        "strength": STRENGTH_OVER_STIFFNESS * stiffness * height,
        "nonlinear": curve[len(STRAINS) - 1][1],
    }


def _kept(path: Path, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what a file keeps; compute it where it is not there."""
    if not path.exists():
        path.write_text(json.dumps(compute(), indent=2) + "\n")
    found: dict[str, Any] = json.loads(path.read_text())
    print(json.dumps(found), flush=True)
    return found


def _outline(person: Person) -> str:
    return "mask" if person.mask else "networks"


def _published(level: Vertebra) -> Iterator[dict[str, float]]:
    """Yield stiffness, N/mm, linear and nonlinear strength, N, of each vertebra of the table."""
    with (DATA / TABLE).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["target_vertebra"] == level:
                yield {
                    "stiffness": float(row["Stiffness (linear) [N/mm]"]),
                    "strength": 1000.0 * float(row["F.Load (linear) [kN]"]),
                    "nonlinear": 1000.0 * float(row["F.Load (nonlinear) [kN]"]),
                }


def _text(
    published: Mapping[Vertebra, Sequence[Mapping[str, float]]],
    ours: Sequence[Mapping[str, Any]],
    refused: Sequence[Mapping[str, Any]],
) -> str:
    rows = [
        f"| {one['name']} | {one['level']} | {one['outline']} | {one['calibration']} | {one['trabecular']:.0f} "
        f"| {one['stiffness'] / 1000:.1f} | {one['strength'] / 1000:.2f} "
        f"| {one['nonlinear'] / 1000:.2f} |"
        for one in ours
    ]
    left = [f"{one['name']}, {one['level']}: {one['problem']}" for one in refused]
    means = [
        f"{level}: {_mean_and_spread(found, 'stiffness')} kN/mm, {_mean_and_spread(found, 'nonlinear')} kN nonlinear, "
        f"n = {len(found)}"
        for level, found in published.items()
    ]
    refusals = f"Refused, so without numbers: {'; '.join(left)}." if left else ""
    return TEXT.format(published="; ".join(means), rows="\n".join(rows), refused=refusals).rstrip() + "\n"


def _mean_and_spread(found: Sequence[Mapping[str, float]], name: str) -> str:
    values = [one[name] / 1000.0 for one in found]
    mean, spread = statistics.fmean(values), statistics.pstdev(values)
    return f"{mean:.1f} ± {spread:.1f}" if name == "stiffness" else f"{mean:.2f} ± {spread:.2f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""docs/evaluation/bone.md, from the figures of `bench.bone`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.bone_meshes import meshes_text
from bench.bone_sampling import points_text
from bench.bone_strains import strains_text
from bench.bone_strength import strength_text
from workers.bone.strength import STRENGTH_OVER_STIFFNESS

PAGE = Path("docs/evaluation/bone.md")
TEXT = """# The patient's own bone: figures

Research, not diagnosis. `python -m bench.bone bench-output/bone.json` measured these figures and wrote this page.
[The patient's own bone](../explanation/bone.md) has the equations; [internal calibration](calibration.md) has figures
of its own.

## A published vertebra

VerSe 004, an osteoporotic L2. Its density (K2HPO4) and a voxel model of it are published (Bonelab/spineFE-benchmark).

| | here | published |
| --- | --- | --- |
| trabecular density, mg/cm³ | {trabecular:.1f} | {published_trabecular:.1f} |
| stiffness under the paper's traction, N/mm | {traction:,.0f} | |
| stiffness between rigid plates, N/mm | {plates:,.0f} ({plates_off:+.1f} %) | {published_stiffness:,.0f}, caps |
| the published voxel model with its caps, solved anew, N/mm | {voxel:,.0f} ({voxel_off:+.1f} %) | |
| the same with the moduli that its table gave the voxels, N/mm | {table:,.0f} ({table_off:+.1f} %) | |
| height of the body, mm | {height:.1f} | {published_height:.0f} |
| linear strength 0.0068 K H from the plates, N | {strength:,.0f} ({strength_off:+.1f} %) | {published_strength:,.0f} |
| homogeneous bone, E 500 MPa, traction, N/mm | {homogeneous:,.0f} | |

The stiffness between plates differs from the published one by {plates_off:+.1f} %. The published run gave each
voxel the modulus of the next denser bin of its table, 15 mg/cm³ more: its scripts number the bins from 1 and the
moduli from 0 (`bench/voxel_model.py`). With that shift its model gives {table:,.0f} N/mm here, {table_off:+.1f} %;
without it {voxel:,.0f} N/mm, {voxel_off:+.1f} %. So the density itself asks for {voxel:,.0f} N/mm. Tetrahedra between
plates, read from inside the bone, are {over_voxel:.0f} % stiffer than that. The published height is that of its voxel
model; ours is the distance of the endplates' middles.

{strengths}{strains}{meshes}{points}## Laws

Stiffness of that L2 under the paper's traction, N/mm: {laws}.

## Correctness

{calculix}
Tests: a patch of elements with random moduli, layers in a row and beside each other in closed form, a column between
plates, orientations of the file and a turned patient, convergence with the mesh (`tests/workers/fem/test_graded.py`,
`tests/workers/fem/test_plates.py`, `tests/workers/bone`); the rate
of convergence, and CalculiX under moments, between plates and between caps on a coarse mesh with moduli of its own in
each element (`tests/workers/fem/test_mesh_stiffness.py`, `tests/workers/fem/test_calculix_cases.py`).

## Time

The solver takes {density_cycles:.0f} cycles with density and {plain_cycles:.0f} with homogeneous bone. On two
cores, reading density and moduli took {reading_s:.1f} s, the solves {density_s:.1f} and {plain_s:.1f} s.

## A real CT that nobody calibrated

TotalSegmentator's example, voxels of 3 mm, reference masks, the default calibration, the paper's traction. The
published table (voxel models of VerSe'19) has 19.2 ± 5.2 kN/mm for L1. So these are of the right size, and no more.

| level | trabecular density, mg/cm³ | stiffness, N/mm | height, mm | linear strength, N | Pistoia, N |
| --- | --- | --- | --- | --- | --- |
{levels}

## Not done

- Hardening, softening and cracks: bone that gives way bears its yield stress on.
- A distribution over many people: [people](bone-people.md) has the three at hand, beside the published table.
"""


def write_page(result: Mapping[str, Any], published: Mapping[str, float]) -> None:
    """Write the page from the parts of `bench.bone`, and the published numbers of the L2."""
    traction, plates, voxel, table = (result[name] for name in ("traction", "plates", "voxel_model", "table_model"))
    strength = STRENGTH_OVER_STIFFNESS * plates * traction["height"]
    text = TEXT.format(
        trabecular=traction["trabecular"],
        traction=traction["laws"]["kopperdahl_2002"],
        plates=plates,
        voxel=voxel,
        table=table,
        table_off=_off(table, published["stiffness"]),
        plates_off=_off(plates, published["stiffness"]),
        voxel_off=_off(voxel, published["stiffness"]),
        over_voxel=_off(plates, voxel),
        strength=strength,
        strength_off=_off(strength, published["linear_strength"]),
        homogeneous=traction["homogeneous"],
        height=traction["height"],
        published_trabecular=published["trabecular"],
        published_stiffness=published["stiffness"],
        published_height=published["height"],
        published_strength=published["linear_strength"],
        strengths=strength_text(result["caps"], result["crushed"], traction["height"], voxel),
        laws=", ".join(f"`{law}` {value:,.0f}" for law, value in traction["laws"].items()),
        strains=strains_text(result["strains"]),
        meshes=meshes_text(result["meshes"], result["halved"]),
        points=points_text(result["points"]),
        calculix=_calculix(result["calculix"]),
        levels="\n".join(_row(level, found) for level, found in result["levels"].items()),
        **result["time"],
    )
    PAGE.write_text(text, encoding="utf-8")


def _calculix(difference: float | None) -> str:
    if difference is None:
        return "CalculiX was not installed."
    return f"CalculiX on the whole mesh with the same moduli: von Mises differs by {difference:.1e} (relative L2).\n"


def _off(got: float, expected: float) -> float:
    return 100.0 * (got / expected - 1.0)


def _row(level: str, found: Mapping[str, float]) -> str:
    strength = STRENGTH_OVER_STIFFNESS * found["stiffness"] * found["height"]
    numbers = (found["trabecular"], found["stiffness"], found["height"], strength, found["pistoia"])
    return f"| {level} | " + " | ".join(f"{number:,.0f}" for number in numbers) + " |"

"""The patient's own bone: stiffness beside a published vertebra, CalculiX and a voxel model; time; real CTs.

`python -m bench.bone bench-output/bone.json` prints the figures and writes docs/evaluation/bone.md too,
then computes people (`bench.bone_people`).
A run that was broken off goes on where it was.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import workers  # noqa: F401  (thread settings, before NumPy)

import nibabel as nib  # isort: skip
import numpy as np

from app.contract.bone import DensityLaw
from app.contract.params import LEVELS
from bench.bone_meshes import measure_halved, measure_meshes
from bench.bone_page import write_page
from bench.bone_sampling import measure_sampling
from bench.bone_strains import measure_strains
from bench.bone_strength import PUBLISHED, caps_stiffness, crushed
from bench.bone_subjects import Subject
from bench.calculix import executable, solve_with_calculix
from bench.voxel_model import table_density, voxel_stiffness
from models.types import Floats
from workers.bone.calibration import DEFAULT_INTERCEPT, DEFAULT_SLOPE, Calibration
from workers.bone.elements import ElementBone
from workers.bone.interior import Trabecular
from workers.bone.laws import LAWS
from workers.bone.strength import measure_strength
from workers.engine import Engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.material import Material
from workers.fem.plates import plan_plates, solve_between_plates
from workers.fem.stress import von_mises
from workers.geometry.tetrahedra import tet_volumes
from workers.imaging.volume import Volume, read_ct, read_mask
from workers.mask.cleaning import clean_mask
from workers.mask.label_piece import cut_out
from workers.mesh.mask_surface import extract_surface

DATA = Path(os.environ.get("VERTEBRA_DATA", "../shared/data"))
REPEATS = 3
GRADES_PER_E = 25
"""Moduli of the CalculiX comparison differ by a factor of e^(1/25): each is a material of its deck."""
TOTALSEGMENTATOR_L1 = 31
OTHERS = (
    ("TotalSegmentator, L1", "ct/totalsegmentator_example", TOTALSEGMENTATOR_L1),
    ("TPTBox, L3", "ct/tptbox_L3", 22),
)
"""Name, folder, and label of the mask."""


def main(target: Path) -> None:
    """Measure each part that `target` does not have yet, print and keep it; write the page when all are there."""
    result: dict[str, Any] = json.loads(target.read_text()) if target.exists() else {}
    subject = Published.of(Engine())
    for name, measure in PARTS.items():
        if name not in result:
            result[name] = measure(subject)
            print(f"{name}: {json.dumps(result[name])}", flush=True)
            target.write_text(json.dumps(result, indent=2))
    write_page(result, PUBLISHED)


@dataclass(frozen=True)
class Published:
    """The published L2: its mesh, its density, mg/cm^3 of K2HPO4, its parts, and its elements' bone by each law."""

    engine: Engine
    points: Floats
    density: Volume
    parts: Volume
    bones: dict[DensityLaw, ElementBone]

    @classmethod
    def of(cls, engine: Engine) -> Published:
        """Read and mesh it."""
        folder = DATA / "ct/spinefe_verse004_L2"
        density, parts = read(folder / "density.nii.gz", np.float32), read(folder / "subregions.nii.gz", np.uint8)
        voxels = Volume(((parts.voxels >= 1) & (parts.voxels <= 4)).astype(np.uint8), parts.affine)
        points = mesh_of(engine, voxels)
        hounsfield = engine.bone_sampler.hounsfield(points, density)
        bones = {law: ElementBone.of(hounsfield, Calibration(1.0, 0.0), law) for law in LAWS}
        return cls(engine, points, density, parts, bones)

    @property
    def bone(self) -> ElementBone:
        """By the law that the published model has."""
        return self.bones["kopperdahl_2002"]


def measure_traction(subject: Published) -> dict[str, Any]:
    """Return density, height and the stiffness under the paper's load by each law and of homogeneous bone."""
    engine, points = subject.engine, subject.points
    found = {law: traction_stiffness(engine, points, bone) for law, bone in subject.bones.items()}
    return {
        "trabecular": trabecular_density(engine, points, subject.bone),
        "laws": {law: stiffness for law, (stiffness, _, _) in found.items()},
        "height": found["kopperdahl_2002"][1],
        "homogeneous": traction_stiffness(engine, points, subject.bone, Material())[0],
    }


def measure_voxel_model(subject: Published) -> float:
    """Return the stiffness of the published model, solved anew, N/mm; its third axis is the scanner's, upward."""
    density, parts = subject.density.voxels.astype(np.float64), subject.parts.voxels
    return voxel_stiffness(density, parts, float(subject.density.spacing[0]))


def measure_table_model(subject: Published) -> float:
    """Return the same with the moduli of the published run's table, N/mm."""
    density, parts = subject.density.voxels.astype(np.float64), subject.parts.voxels
    return voxel_stiffness(table_density(density, parts), parts, float(subject.density.spacing[0]))


def measure_levels(subject: Published) -> dict[str, Any]:
    """Return trabecular density and stiffness of the levels of the abdominal CT with a mask, not calibrated."""
    engine, folder = subject.engine, DATA / "ct/totalsegmentator_example"
    ct, labels = read_ct(folder / "ct.nii.gz"), read_mask(folder / "vertebrae.nii.gz")
    calibration = Calibration(DEFAULT_SLOPE, DEFAULT_INTERCEPT, calibrated=False)
    found = {}
    for number, level in enumerate(LEVELS[LEVELS.index("L1") :]):
        points = mesh_of(engine, cut_out(labels, TOTALSEGMENTATOR_L1 - number))
        bone = ElementBone.of(engine.bone_sampler.hounsfield(points, ct), calibration, "kopperdahl_2002")
        stiffness, height, pistoia = traction_stiffness(engine, points, bone)
        trabecular = trabecular_density(engine, points, bone)
        found[level] = {"trabecular": trabecular, "stiffness": stiffness, "height": height, "pistoia": pistoia}
    return found


def read(path: Path, dtype: type) -> Volume:
    """Return a NIfTI file that is no CT, as it is."""
    image: Any = nib.load(path)
    return Volume(np.asarray(image.dataobj).astype(dtype), image.affine)


def mesh_of(engine: Engine, mask: Volume) -> Floats:
    """Return the subject mesh (n, 3), mm, of a binary mask."""
    clean = clean_mask(mask, 1)
    return engine.morpher.morph(extract_surface(clean.voxels, clean.affine), float(clean.spacing.max())).points


def trabecular_density(engine: Engine, points: Floats, bone: ElementBone) -> float:
    """Return the density of the body's interior, mg/cm^3, as reports have it."""
    volumes = tet_volumes(points, engine.template.tets)[engine.interior]
    density = bone.density[engine.interior]
    return Trabecular.of(density, density, volumes).density


def traction_stiffness(
    engine: Engine, points: Floats, bone: ElementBone, material: Material | None = None
) -> tuple[float, float, float]:
    """Return stiffness, N/mm, height, mm, and Pistoia's strength, N, under the paper's load."""
    solution, _ = engine.solve(points, REFERENCE_LOAD_NEWTON, material or bone.material)
    moved = solution.field.displacement
    assert moved is not None
    found = measure_strength(points, moved, engine.template, bone, REFERENCE_LOAD_NEWTON)
    return found.stiffness_n_per_mm, found.height_mm, found.pistoia_n


def measure_plates(subject: Published) -> float:
    """Return the stiffness between rigid plates, N/mm."""
    template = subject.engine.template
    plan, material = plan_plates(template), subject.bone.material
    case = solve_between_plates(subject.points, template, plan, REFERENCE_LOAD_NEWTON, material)
    assert case.travel_mm is not None
    return REFERENCE_LOAD_NEWTON / case.travel_mm


def both_densities(subject: Published) -> dict[str, ElementBone]:
    """Return the elements' bone with the density of the file, and with that of the published run's table."""
    shifted = table_density(subject.density.voxels.astype(np.float64), subject.parts.voxels)
    volume = Volume(shifted.astype(np.float32), subject.density.affine)
    hounsfield = subject.engine.bone_sampler.hounsfield(subject.points, volume)
    return {"density": subject.bone, "table": ElementBone.of(hounsfield, Calibration(1.0, 0.0), "kopperdahl_2002")}


def measure_caps(subject: Published) -> dict[str, float]:
    """Return the stiffness between cement caps, N/mm, with each density."""
    bones = both_densities(subject)
    return {name: caps_stiffness(subject.engine, subject.points, bone) for name, bone in bones.items()}


def measure_crushed(subject: Published) -> dict[str, Any]:
    """Return the curve of the bone that gives way, with each density."""
    engine, points = subject.engine, subject.points
    height = traction_stiffness(engine, points, subject.bone)[1]
    assert engine.driven is not None  # made before the clock runs
    return {name: crushed(engine, points, bone, height) for name, bone in both_densities(subject).items()}


def people(subject: Published) -> list[Subject]:
    """Return the published L2, and a vertebra each of two others whose masks are at hand, not calibrated."""
    found = [Subject("VerSe 004, L2", subject.points, subject.density, Calibration(1.0, 0.0))]
    line = Calibration(DEFAULT_SLOPE, DEFAULT_INTERCEPT, calibrated=False)
    for name, folder, label in OTHERS:
        ct, labels = read_ct(DATA / folder / "ct.nii.gz"), read_mask(DATA / folder / "vertebrae.nii.gz")
        found.append(Subject(name, mesh_of(subject.engine, cut_out(labels, label)), ct, line))
    return found


def measure_time(subject: Published) -> dict[str, float]:
    """Return the seconds (median) that density adds before the solve, and those and the cycles of the solves."""
    engine, points = subject.engine, subject.points
    reading, solves = [], []
    for _ in range(REPEATS):
        start = time.perf_counter()
        hounsfield = engine.bone_sampler.hounsfield(points, subject.density)
        bone = ElementBone.of(hounsfield, Calibration(1.0, 0.0), "kopperdahl_2002")
        reading.append(time.perf_counter() - start)
        row: list[float] = []
        for material in (None, bone.material):
            start = time.perf_counter()
            cycles = engine.solve(points, REFERENCE_LOAD_NEWTON, material)[0].iterations
            row += [time.perf_counter() - start, cycles]
        solves.append(row)
    names = ("plain_s", "plain_cycles", "density_s", "density_cycles")
    medians = np.median(np.array(solves), axis=0)
    return {"reading_s": float(np.median(reading)), **dict(zip(names, map(float, medians), strict=True))}


def compare_with_calculix(subject: Published) -> float | None:
    """Return by how much von Mises stress differs from CalculiX with the same moduli (relative L2); None without it."""
    if executable() is None:
        return None
    engine, points, template = subject.engine, subject.points, subject.engine.template
    material = Material.of_elements(np.exp(np.round(np.log(subject.bone.young_mpa) * GRADES_PER_E) / GRADES_PER_E))
    force = endplate_traction(points, template.superior, template.inferior, REFERENCE_LOAD_NEWTON)
    peer = solve_with_calculix(points, template.tets, template.fixed_nodes, force, material)
    theirs = von_mises(peer.tensor)
    ours = engine.solve(points, REFERENCE_LOAD_NEWTON, material)[0].field.von_mises
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


PARTS: dict[str, Callable[[Published], Any]] = {
    "traction": measure_traction,
    "levels": measure_levels,
    "plates": measure_plates,
    "caps": measure_caps,
    "crushed": measure_crushed,
    "points": lambda subject: measure_sampling(people(subject)),
    "meshes": lambda subject: measure_meshes(people(subject)),
    "halved": lambda subject: measure_halved(people(subject)[0]),
    "strains": lambda subject: measure_strains(people(subject)),
    "time": measure_time,
    "calculix": compare_with_calculix,
    "voxel_model": measure_voxel_model,
    "table_model": measure_table_model,
}

if __name__ == "__main__":
    from bench import bone_people  # which imports this module

    main(Path(sys.argv[1]))
    bone_people.main(Path(sys.argv[1]).with_name("bone-people"))

"""Internal calibration on real CTs: references, density by level, and how it stands noise, kernels and slices.

`python -m bench.calibration bench-output/calibration.json` prints figures and writes docs/evaluation/calibration.md.
A run that was broken off goes on where it was.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import workers  # noqa: F401  (thread settings, before NumPy)

import numpy as np  # isort: skip

from app.contract.errors import VertebraError
from app.contract.params import JobParams
from bench.altered_cts import CHANGES
from bench.bone import Published, trabecular_density, traction_stiffness
from bench.calibration_page import write_page
from bench.real_vertebrae import LEVELS, Subject, outlined, with_mask
from bench.shared_calibration import shared_densities
from workers.bone.calibration import DEFAULT_INTERCEPT, DEFAULT_SLOPE, Calibration
from workers.bone.elements import ElementBone
from workers.bone.interior import Trabecular
from workers.bone.internal import CORTICAL_HU, InternalFit, fit_michalski
from workers.bone.references import find_references
from workers.bone.surroundings import surroundings_of
from workers.bone_stage import find_bone
from workers.engine import engine
from workers.geometry.tetrahedra import tet_volumes
from workers.imaging.volume import Volume
from workers.results.calibration_section import calibration_section
from workers.stage_clock import StageClock

WOMAN_49, WOMAN_68 = "ct_unlabelled/acrin_petct_49f", "ct_unlabelled/cptac_pda_68f"
PUBLISHED_HU = {
    "adipose": -82.579,
    "air": -956.834,
    "blood": 39.249,
    "cortical_bone": 1226.214,
    "muscle": 24.561,
}
"""Of the published run of verse004 (Bonelab/spineFE-benchmark, sub-verse004_0000.txt)."""
PUBLISHED_KEV = np.arange(40.0, 150.5, 0.5)
"""Energies among which its program sought the best."""
INTERNAL = JobParams.model_validate({"material": "density", "calibration": {"kind": "internal"}})


def main(target: Path) -> None:
    """Measure each part that `target` does not have yet, print and keep it; write the page when all are there."""
    result: dict[str, Any] = json.loads(target.read_text()) if target.exists() else {}
    for name, measure in PARTS.items():
        if name not in result:
            result[name] = measure()
            print(f"{name}: {json.dumps(result[name])}", flush=True)
            target.write_text(json.dumps(result, indent=2))
    write_page(result)


def density_of(subject: Subject, ct: Volume | None = None) -> dict[str, Any]:
    """Return references, fit and trabecular densities, mg/cm^3, of a vertebra; what refuses it."""
    try:
        bone = find_bone(subject.points, ct or subject.ct, INTERNAL, StageClock(lambda *_: None))
    except VertebraError as error:
        return {"refused": f"{error.slug}: {error.got}"}
    assert bone is not None
    section = calibration_section(bone.elements.calibration, bone.trabecular)
    assert section.internal is not None
    return {
        "references": {name: reference.hounsfield for name, reference in section.internal.references.items()},
        "kev": section.internal.effective_energy_kev,
        "r2": section.internal.r2,
        "hounsfield": bone.trabecular.hounsfield,
        "density": bone.trabecular.density,
        "water_line": section.internal.water_line_density_mg_cm3,
        "left_out": bone.trabecular.left_out,
        "contrast": any(warning.startswith("There is contrast agent") for warning in bone.warnings),
    }


def measure_levels() -> list[dict[str, Any]]:
    """Return the densities of every level of every CT that shows one."""
    subjects = with_mask()
    subjects += [outlined(WOMAN_49, "ACRIN, woman of 49", level) for level in LEVELS]
    subjects.append(outlined(WOMAN_68, "CPTAC, woman of 68", "T12"))
    return [{"name": subject.name, "level": subject.level, **density_of(subject)} for subject in subjects]


def measure_shared() -> list[dict[str, Any]]:
    """Return the densities of the levels of a CT by one calibration for all."""
    woman = [outlined(WOMAN_49, "ACRIN, woman of 49", level) for level in LEVELS]
    return shared_densities(with_mask()[: len(LEVELS)], INTERNAL) + shared_densities(woman, INTERNAL)


def measure_repeats() -> list[dict[str, Any]]:
    """Return by how much noise, kernels and slices change the densities of some vertebrae, mg/cm^3."""
    masked = with_mask()
    chosen = [masked[0], masked[2], masked[4], outlined(WOMAN_49, "ACRIN, woman of 49", "L3")]
    rows = []
    for subject in chosen:
        base = density_of(subject)
        for what, change in CHANGES.items():
            got = density_of(subject, change(subject.ct))
            row = {"name": subject.name, "level": subject.level, "what": what}
            if "refused" in got:
                rows.append({**row, **got})
                continue
            shift = {key: got[key] - base[key] for key in ("density", "water_line", "hounsfield")}
            rows.append({**row, **shift})
    return rows


def measure_interior() -> list[dict[str, Any]]:
    """Return HU of the interior of the masked levels: its plain mean, its median, and as reports have it."""
    rows = []
    for subject in with_mask()[: len(LEVELS)]:
        interior = engine().interior
        hounsfield = engine().bone_sampler.hounsfield(subject.points, subject.ct)[interior].mean(axis=1)
        volumes = tet_volumes(subject.points, engine().template.tets)[interior]
        found = Trabecular.of(hounsfield, hounsfield, volumes)
        rows.append(
            {
                "level": subject.level,
                "mean": float(np.average(hounsfield, weights=volumes)),
                "median": float(np.median(hounsfield)),
                "reported": found.hounsfield,
                "left_out": found.left_out,
            }
        )
    return rows


def measure_published() -> dict[str, float]:
    """Return what verse004's L2 has by the published calibration, and by the water line of the same HU."""
    fit = InternalFit("michalski_2020", {}, (), 70.0, *fit_michalski(PUBLISHED_HU))
    in_their_steps = fit_michalski(PUBLISHED_HU, PUBLISHED_KEV)
    scale = np.linspace(-400.0, 3000.0, 20_000)
    curve = fit.density(scale)
    start = int(curve.argmin())
    subject = Published.of(engine())
    hounsfield = np.interp(subject.density.voxels, curve[start:], scale[start:]).astype(np.float32)
    ct = Volume(hounsfield, subject.density.affine)
    sampled = engine().bone_sampler.hounsfield(subject.points, ct)
    found: dict[str, float] = {"kev": fit.fit_kev, "r2": fit.r2, "cortical": CORTICAL_HU, "slope": DEFAULT_SLOPE}
    found |= {"their_kev": in_their_steps[0], "their_r2": in_their_steps[1]}
    for name, calibration in (
        ("published", Calibration(1.0, 0.0, internal=fit)),
        ("water_line", Calibration(DEFAULT_SLOPE, DEFAULT_INTERCEPT)),
    ):
        bone = ElementBone.of(sampled, calibration, "kopperdahl_2002")
        found[f"{name}_density"] = trabecular_density(engine(), subject.points, bone)
        found[f"{name}_stiffness"] = traction_stiffness(engine(), subject.points, bone)[0]
    return found


def measure_time() -> dict[str, float]:
    """Return CPU seconds (median) of finding the references, and of everything that density adds before the solve."""
    subject = with_mask()[0]
    finding, whole = [], []
    for _ in range(5):
        start = process_time()
        find_references(surroundings_of(subject.points, engine().template, subject.ct))
        finding.append(process_time() - start)
        start = process_time()
        find_bone(subject.points, subject.ct, INTERNAL, StageClock(lambda *_: None))
        whole.append(process_time() - start)
    return {"finding_s": float(np.median(finding)), "whole_s": float(np.median(whole))}


PARTS: dict[str, Callable[[], Any]] = {
    "levels": measure_levels,
    "shared": measure_shared,
    "repeats": measure_repeats,
    "interior": measure_interior,
    "published": measure_published,
    "time": measure_time,
}

if __name__ == "__main__":
    main(Path(sys.argv[1]))

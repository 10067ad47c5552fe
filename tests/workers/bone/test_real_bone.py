"""The patient's own bone in real CTs: a published vertebra with its density, and a whole job."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import pyvista as pv

from app.contract.errors import VertebraError
from app.contract.params import JobParams
from bench.bone import mesh_of
from bench.voxel_model import table_density
from workers.bone.calibration import Calibration
from workers.bone.calibration_warnings import READS_HIGH
from workers.bone.elements import ElementBone
from workers.bone.nonlinear_strength import STRAINS, nonlinear_section, yielding_bone
from workers.bone.strength import measure_strength
from workers.bone_stage import find_bone
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.fem.material import Material
from workers.imaging.volume import Volume, read_ct, read_mask
from workers.mask.cleaning import clean_mask
from workers.mask.label_piece import cut_out
from workers.mesh.mask_surface import extract_surface
from workers.pipeline import run_pipeline
from workers.results.calibration_section import calibration_section
from workers.stage_clock import StageClock

CALIBRATED = {"kind": "phantom", "slope": 0.84, "intercept": 0.0}
EXAMPLE = "ct/totalsegmentator_example/ct.nii.gz"


def read(path: Path, dtype) -> Volume:
    image = nib.load(path)
    return Volume(np.asarray(image.dataobj).astype(dtype), image.affine)


@pytest.fixture(scope="module")
def verse004(engine, data_dir):
    """An osteoporotic L2 whose density, K2HPO4, is published: its mesh and the bone of its elements."""
    folder = data_dir / "ct/spinefe_verse004_L2"
    density, parts = read(folder / "density.nii.gz", np.float32), read(folder / "subregions.nii.gz", np.uint8)
    mask = Volume(((parts.voxels >= 1) & (parts.voxels <= 4)).astype(np.uint8), parts.affine)
    clean = clean_mask(mask, 1)
    points = engine.morpher.morph(extract_surface(clean.voxels, clean.affine), 1.0).points
    hounsfield = engine.bone_sampler.hounsfield(points, density)
    return points, ElementBone.of(hounsfield, Calibration(1.0, 0.0), "kopperdahl_2002")


def test_the_published_vertebra(engine, verse004):
    """Published: trabecular density 70.7 mg/cm3; stiffness 12,362 N/mm between caps (docs/evaluation/bone.md)."""
    points, bone = verse004
    assert bone.density[engine.interior].mean() == pytest.approx(70.2, abs=0.5)
    solved = engine.solve(points, REFERENCE_LOAD_NEWTON, bone.material)[0]
    plain = engine.solve(points, REFERENCE_LOAD_NEWTON)[0]
    assert solved.iterations <= 1.2 * plain.iterations  # measured: 17 and 16
    assert np.linalg.norm(solved.reaction) == pytest.approx(REFERENCE_LOAD_NEWTON, rel=1e-4)
    moved = solved.field.displacement
    strength = measure_strength(points, moved, engine.template, bone, REFERENCE_LOAD_NEWTON)
    assert strength.stiffness_n_per_mm == pytest.approx(10_400.0, rel=0.02)
    assert strength.height_mm == pytest.approx(26.9, abs=0.4)
    homogeneous = ElementBone(
        bone.density, Material.of_elements(np.full(len(bone.density), 500.0)), bone.law, bone.calibration
    )
    stiff = measure_strength(points, plain.field.displacement, engine.template, homogeneous, REFERENCE_LOAD_NEWTON)
    assert stiff.stiffness_n_per_mm == pytest.approx(22_480.0, rel=0.01)  # twice as stiff as this person is


def test_the_published_vertebra_gives_way(engine, verse004):
    """Published: 1,847 N with denser bone, with which ours is 1,713 N (docs/evaluation/bone.md)."""
    points, bone = verse004
    [point] = engine.crush(points, yielding_bone(bone), [STRAINS[-1] * 27.0])
    crushed = nonlinear_section([point], points, engine.template)
    assert crushed.strength_newton == pytest.approx(1367.0, rel=0.02)
    assert crushed.yielded_share == pytest.approx(0.58, abs=0.02)
    assert (np.diff(point.forces) < 0.0).all()


def run(data_dir, folder, **params):
    asked = JobParams.model_validate(
        {"mask_label": 31, "material": "density", "results": ["stress.vtu", "preview.png"], **params}
    )
    mask = data_dir / "ct/totalsegmentator_example/vertebrae.nii.gz"
    run_pipeline(data_dir / EXAMPLE, mask, asked, folder, lambda *_: None)
    return json.loads((folder / "report.json").read_text())


def test_a_job(data_dir, tmp_path):
    report = run(data_dir, tmp_path, calibration={"kind": "none"})
    bone = report["bone"]
    assert bone["trabecular_density_mg_cm3"] == pytest.approx(73.4, abs=1.0)  # without L1's bone island; with it 93
    assert bone["strength"]["stiffness_n_per_mm"] == pytest.approx(15_430.0, rel=0.01)
    assert bone["strength"]["linear_strength_newton"] == pytest.approx(2854.0, rel=0.01)
    assert bone["regions"]["body"]["young_modulus_mpa"] == pytest.approx(302.6, rel=0.01)
    assert not bone["calibration"]["calibrated"]
    assert report["expected_error"] is None
    assert "UNCALIBRATED" in report["warnings"][0]
    assert report["fidelity"] == "fe"
    assert any("solved with finite elements" in warning for warning in report["warnings"])
    assert "homogeneous" not in report["disclaimer"]
    assert report["timings_s"]["material"] >= 0.0
    grid = pv.read(tmp_path / "stress.vtu")
    assert {"density", "young_modulus", "yield_ratio"} <= set(grid.point_data.keys())
    assert np.asarray(grid["young_modulus"]).min() >= 10.0 * (1.0 - 1e-6)
    assert b"UNCALIBRATED" in bytes(np.asarray(grid.field_data["about_json_utf8"]))


def test_the_tissues_of_a_real_scan_calibrate_it(engine, data_dir):
    ct = read_ct(data_dir / EXAMPLE)
    mask = cut_out(read_mask(data_dir / "ct/totalsegmentator_example/vertebrae.nii.gz"), 31)
    asked = JobParams.model_validate({"material": "density", "calibration": {"kind": "internal"}})
    bone = find_bone(mesh_of(engine, mask), ct, asked, StageClock(lambda *_: None))
    used = calibration_section(bone.elements.calibration, bone.trabecular)
    assert used.kind == "internal"
    assert used.calibrated
    found = {tissue: reference.hounsfield for tissue, reference in used.internal.references.items()}
    assert found == pytest.approx({"air": -997.0, "adipose": -104.0, "muscle": 29.3, "blood": 42.1}, abs=2.0)
    assert used.internal.effective_energy_kev == pytest.approx(66.9, abs=1.0)
    assert used.internal.r2 > 0.998
    assert bone.trabecular.hounsfield == pytest.approx(98.8, abs=2.0)
    assert bone.trabecular.density == pytest.approx(86.3, abs=2.0)
    assert used.internal.water_line_density_mg_cm3 == pytest.approx(69.1, abs=2.0)
    high, island = bone.warnings
    assert high == READS_HIGH
    assert "13% of the body's interior" in island  # L1 has a dense focus below its upper endplate


def test_an_image_without_hounsfield_units_is_refused(data_dir, tmp_path):
    """The published density image, sent as a CT."""
    folder = data_dir / "ct/spinefe_verse004_L2"
    parts = read(folder / "subregions.nii.gz", np.uint8)
    mask = tmp_path / "mask.nii.gz"
    nib.save(nib.Nifti1Image(((parts.voxels >= 1) & (parts.voxels <= 4)).astype(np.uint8), parts.affine), mask)
    asked = JobParams.model_validate({"vertebra": "L2", "material": "density", "calibration": CALIBRATED})
    with pytest.raises(VertebraError) as caught:
        run_pipeline(folder / "density.nii.gz", mask, asked, tmp_path, lambda *_: None)
    assert caught.value.slug in ("not_hounsfield", "density_unusable")


def test_the_published_table_gives_each_voxel_the_next_denser_bin(data_dir):
    """With it the voxel model has 12,363 N/mm (`bench.bone`), published are 12,362."""
    folder = data_dir / "ct/spinefe_verse004_L2"
    density, parts = (read(folder / f"{name}.nii.gz", np.float64).voxels for name in ("density", "subregions"))
    bone = (parts >= 1) & (parts <= 4) & (np.abs(density) >= 1.0) & (density > -31.0) & (density < 1800.0)
    more = (table_density(density, parts) - density)[bone]
    assert more.mean() == pytest.approx(14.4, abs=0.3)
    assert 6.0 < more.min() < more.max() < 24.0

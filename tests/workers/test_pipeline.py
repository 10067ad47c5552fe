"""The whole mask route on real CTs: the numbers, the same field from every orientation, and clean refusals."""

from __future__ import annotations

import gzip
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import pyvista as pv
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from app.contract import errors
from app.contract.params import DICOM_RESULTS, ON_REQUEST, JobParams
from app.contract.result_files import MEDIA_TYPES
from tests.workers.mask.numbered_maps import renumbered
from workers.imaging.volume import Volume, read_ct, read_mask
from workers.mask_stage import read_label_map, take_label, vertebra_of_label
from workers.mesh.mask_surface import extract_surface
from workers.pipeline import PipelineResult, run_pipeline
from workers.results.publish import SPINE_PICTURE
from workers.results.vtk_files import ABOUT
from workers.stage_clock import STAGES, StageClock

ORIENTATIONS = [
    (axes, flips) for axes in itertools.permutations(range(3)) for flips in itertools.product((1, -1), repeat=3)
]
L1 = JobParams(mask_label=31, fidelity="fe")
PEAK_MPA, PEAK_AWAY_MPA, MEDIAN_MPA = 0.8335, 0.6337, 0.2883
"""Of the reference job, as measured with bundle 0.4.0."""


@dataclass(frozen=True)
class Run:
    result: PipelineResult
    folder: Path
    stages: list[tuple[str, float]]

    @property
    def report(self):
        return json.loads((self.folder / "report.json").read_text())

    def field(self):
        """Points, displacement and von Mises stress of stress.vtu."""
        grid = pv.read(self.folder / "stress.vtu")
        return np.asarray(grid.points), np.asarray(grid["displacement"]), np.asarray(grid["von_mises"])


def run(ct: Path, mask: Path | None, params: JobParams, folder: Path) -> Run:
    folder.mkdir()
    stages: list[tuple[str, float]] = []
    result = run_pipeline(ct, mask, params, folder, lambda stage, percent: stages.append((stage, percent)))
    return Run(result, folder, stages)


@pytest.fixture(scope="module")
def inputs(data_dir) -> tuple[Path, Path]:
    folder = data_dir / "ct/totalsegmentator_example"
    return folder / "ct.nii.gz", folder / "vertebrae.nii.gz"


@pytest.fixture(scope="module")
def reference(inputs, tmp_path_factory) -> Run:
    return run(*inputs, L1, tmp_path_factory.mktemp("reference") / "out")


def test_results(reference):
    names = [name for name in MEDIA_TYPES if name not in (*ON_REQUEST, *DICOM_RESULTS, SPINE_PICTURE)]
    assert [file.name for file in reference.result.files] == names
    assert sorted(path.name for path in reference.folder.iterdir()) == sorted(names)
    for file in reference.result.files:
        assert file.path == reference.folder / file.name
        assert file.path.stat().st_size > 1000
        assert file.media_type == MEDIA_TYPES[file.name]
    others = ("localise", "segment", "material", "predict", "crush")
    expected = [(name, percent) for name, percent in STAGES.items() if name not in others]
    assert reference.stages == expected
    assert list(reference.result.timings) == [name for name, _ in expected]
    assert reference.result.bundle_version == reference.report["software"]["bundle_version"] == "0.10.1"


def test_numbers(reference, inputs):
    report = reference.report
    assert report["equilibrium"]["relative_residual"] <= 1e-5
    assert np.linalg.norm(report["equilibrium"]["reaction_ras_newton"]) == pytest.approx(500.0, rel=1e-6)
    peak = report["stress"]["peak_von_mises"]
    assert peak["value_mpa"] == pytest.approx(PEAK_MPA, rel=0.05)
    assert peak["region"] in ("body", "inferior_endplate")  # on the rim of the clamp, which both share
    away = report["stress"]["peak_away_from_endplates"]
    assert away["value_mpa"] == pytest.approx(PEAK_AWAY_MPA, rel=0.05)
    assert report["stress"]["overall"]["p50_mpa"] == pytest.approx(MEDIAN_MPA, rel=0.02)
    assert report["inputs"]["mask_label"] == 31
    assert report["fit"]["mean_mm"] <= 0.1
    assert report["fit"]["p95_mm"] <= 0.3
    assert report["mesh"]["non_positive_tets"] == 0
    assert report["mesh"]["mean_ratio_min"] > 0.05
    labels = np.asarray(nib.load(inputs[1]).dataobj)
    assert report["geometry"]["volume_mm3"] == pytest.approx(27.0 * (labels == 31).sum(), rel=0.01)
    assert report["vertebra"] == "L1"
    assert report["numbering"]["convention"] == "totalsegmentator_v2"
    assert report["warnings"] == ["The mask's voxels measure up to 3.0 mm: detail finer than that is interpolated."]


def test_the_mask_that_comes_back(reference, inputs):
    ct, sent = nib.load(inputs[0]), nib.load(inputs[1])
    back = nib.load(reference.folder / "mask.nii.gz")
    np.testing.assert_allclose(back.affine, ct.affine, atol=1e-5)
    vertebra = np.asarray(sent.dataobj) == 31
    assert ((np.asarray(back.dataobj) > 0) ^ vertebra).sum() <= 9
    assert np.asarray(back.dataobj).sum() == pytest.approx(57_726 / 27, abs=0.5)


def test_the_field_in_the_file_is_the_field_in_the_report(reference):
    points, displacement, von_mises = reference.field()
    peak = reference.report["stress"]["peak_von_mises"]
    assert von_mises.max() == pytest.approx(peak["value_mpa"], rel=1e-5)
    assert von_mises.argmax() == peak["node_id"]
    np.testing.assert_allclose(points[peak["node_id"]], peak["position_ras_mm"], atol=2e-3)
    assert np.abs(displacement).max() > 0.005


# Left-handed and right-handed copies; the second is loaded twice as hard, which must double every stress.
@pytest.mark.parametrize(
    ("axes", "flips", "newton"),
    [((0, 1, 2), (-1, -1, 1), 500.0), ((2, 0, 1), (1, -1, 1), 1000.0)],
    ids=["LPS", "permuted, left-handed, 1000 N"],
)
def test_the_same_field_from_another_orientation(reference, inputs, tmp_path, axes, flips, newton):
    ct, mask = (nib.load(path).as_reoriented(np.column_stack([axes, flips])) for path in inputs)
    assert nib.aff2axcodes(ct.affine) != nib.aff2axcodes(nib.load(inputs[0]).affine)
    nib.save(ct, tmp_path / "ct.nii.gz")
    nib.save(mask, tmp_path / "mask.nii.gz")
    params = JobParams(mask_label=31, load_newton=newton, fidelity="fe", results=["stress.vtu", "mask.nii.gz"])
    other = run(tmp_path / "ct.nii.gz", tmp_path / "mask.nii.gz", params, tmp_path / "out")
    (points, displacement, von_mises), (points2, displacement2, von_mises2) = reference.field(), other.field()
    factor = newton / 500.0
    np.testing.assert_allclose(points2, points, atol=1e-4)
    assert np.abs(von_mises2 / factor - von_mises).max() <= 1e-6 * von_mises.max()
    assert np.abs(displacement2 / factor - displacement).max() <= 1e-6 * np.abs(displacement).max()
    back = nib.load(other.folder / "mask.nii.gz")
    np.testing.assert_allclose(back.affine, ct.affine, atol=1e-5)
    assert ((np.asarray(back.dataobj) > 0) ^ (np.asarray(mask.dataobj) == 31)).sum() <= 9


def test_the_surrogate_is_the_default_and_agrees_with_the_solution(inputs, tmp_path):
    """One job that does both: the default's field, the solution beside it, and what the report says of the two."""
    assert JobParams().fidelity == "surrogate"
    params = JobParams(mask_label=31, fidelity="both", load_newton=800.0, results=["stress.vtu"])
    both = run(*inputs, params, tmp_path / "both")
    report = both.report
    assert report["fidelity"] == "surrogate"
    assert list(both.result.timings) == [
        name for name in STAGES if name not in ("localise", "segment", "material", "crush")
    ]
    grid = pv.read(both.folder / "stress.vtu")
    predicted, solved = np.asarray(grid["von_mises"]), np.asarray(grid["von_mises_fe"])
    np.testing.assert_allclose(grid["von_mises_error"], predicted - solved, atol=1e-6)
    assert solved.max() == pytest.approx(1.6 * PEAK_MPA, rel=0.05)
    error = np.abs(predicted - solved)
    agreement = report["agreement"]
    assert agreement["mae_mpa"] == pytest.approx(error.mean(), rel=1e-3)
    assert agreement["nmae_percent"] == pytest.approx(100 * error.mean() / solved.max(), rel=1e-3)
    assert agreement["r2"] >= 0.9999
    assert agreement["nmae_percent"] <= 0.05
    assert abs(agreement["peak_error_percent"]) <= 0.5
    assert agreement["peak_distance_mm"] <= 0.5
    trust = report["prediction"]
    assert trust["surrogate"] == "refined"
    assert not trust["out_of_distribution"]
    assert trust["expected_nmae_percent"] == trust["error_bound_percent"] <= 0.06
    assert agreement["nmae_percent"] <= trust["error_bound_percent"] <= 5.0 * agreement["nmae_percent"]
    assert 2 <= trust["cycles"] <= 9
    assert 0.2 < trust["unrefined_change_percent"] < 0.6
    assert report["expected_error"]["surrogate_percent"] == pytest.approx(trust["error_bound_percent"], abs=0.006)
    assert 1.5 < trust["shape_distance_mm"] < 3.5
    for i in (1, 2, 3):
        assert np.abs(np.asarray(grid[f"s{i}"]) - np.asarray(grid[f"s{i}_fe"])).mean() < 0.01


def test_a_plain_job_predicts_and_does_not_solve(inputs, tmp_path):
    done = run(*inputs, JobParams(mask_label=31, results=["stress.vtu"]), tmp_path / "out")
    assert "solve" not in done.result.timings
    assert done.report["agreement"] is None
    assert done.report["equilibrium"] is None
    grid = pv.read(done.folder / "stress.vtu")
    assert np.abs(grid["displacement"]).max() > 0.005
    assert done.report["stress"]["peak_von_mises"]["value_mpa"] == pytest.approx(PEAK_MPA, rel=0.05)


def test_a_binary_mask_is_of_no_level(inputs, tmp_path):
    """Nobody says which vertebra it is: every file says so, and none says L1."""
    labels = nib.load(inputs[1])
    binary = (np.asarray(labels.dataobj) == 31).astype(np.uint8)
    nib.save(nib.Nifti1Image(binary, labels.affine), tmp_path / "mask.nii.gz")
    params = JobParams(surrogate="tangent", results=["stress.vtu", "surface.vtp", "viewer.html"])
    done = run(inputs[0], tmp_path / "mask.nii.gz", params, tmp_path / "out")
    assert done.report["vertebra"] == "unknown"
    assert done.report["numbering"]["convention"] is None
    assert any(warning.startswith("The level is unknown") for warning in done.report["warnings"])
    grid = pv.read(done.folder / "stress.vtu")
    assert json.loads(bytes(grid.field_data[ABOUT]))["vertebra"] == "unknown"
    assert list(pv.read(done.folder / "surface.vtp").field_data["vertebra"]) == ["unknown"]
    page = (done.folder / "viewer.html").read_text()
    assert "Stress in a vertebra of unknown level" in page
    assert "level unknown · 500 N" in page
    with pytest.raises(errors.LevelUnknown):
        run(inputs[0], tmp_path / "mask.nii.gz", JobParams(body_weight_kg=70.0), tmp_path / "weight")


def moved(inputs, linear: NDArray, folder: Path) -> tuple[Path, Path]:
    """CT and mask with the world turned or scaled by a matrix (3, 3)."""
    whole = np.eye(4)
    whole[:3, :3] = linear
    for path in inputs:
        image = nib.load(path)
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), whole @ image.affine), folder / path.name)
    return folder / inputs[0].name, folder / inputs[1].name


QUICK = JobParams(mask_label=31, vertebra="L1", surrogate="tangent", results=["report.json"])


def test_a_patient_who_lies_across_the_file(inputs, tmp_path):
    """Turned by 90° about z and by 60° about y the vertebra is accepted, and has the same stress."""
    upright = run(*inputs, QUICK, tmp_path / "upright").report
    turn = Rotation.from_euler("zy", [90, 60], degrees=True).as_matrix()
    across = run(*moved(inputs, turn, tmp_path), QUICK, tmp_path / "out").report
    p99 = [report["stress"]["overall"]["p99_mpa"] for report in (across, upright)]
    assert p99[0] == pytest.approx(p99[1], rel=0.01)
    assert across["geometry"]["volume_mm3"] == pytest.approx(upright["geometry"]["volume_mm3"], rel=1e-3)
    assert any(warning.startswith("The vertebra lies turned by") for warning in across["warnings"])
    np.testing.assert_allclose(
        across["geometry"]["load_axis_ras"], turn @ upright["geometry"]["load_axis_ras"], atol=0.02
    )


def test_voxels_of_3_mm_that_are_declared_as_2_mm(reference, inputs, tmp_path):
    small = run(*moved(inputs, np.eye(3) * 2 / 3, tmp_path), QUICK, tmp_path / "out").report
    usual = reference.report
    assert small["stress"]["overall"]["p50_mpa"] == pytest.approx(
        2.25 * usual["stress"]["overall"]["p50_mpa"], rel=0.02
    )
    assert (usual["size"]["unusual"], small["size"]["unusual"]) == (False, True)
    assert small["size"]["stress_factor"] == pytest.approx(2.25, rel=0.02)
    assert small["warnings"][0].startswith("The vertebra is smaller than those of adults: 17 cm³")


def test_label_20_of_totalsegmentator_v1_is_l3(inputs):
    """Version 1 numbers L3 as 20, which is L1 in VerSe."""
    mask = renumbered(read_mask(inputs[1]), "totalsegmentator_v2", "totalsegmentator_v1")
    label = take_label(read_label_map(mask), JobParams(mask_label=20))
    assert (label.level, label.numbering.convention) == ("L3", "totalsegmentator_v1")
    assert take_label(read_label_map(mask), JobParams(vertebra="L1")).number == 22


@pytest.fixture(scope="module")
def compressed(data_dir, engine) -> NDArray[np.float64]:
    """The nodes of the compressed L1 of verse010, mm."""
    from training.shapes.sources import SOURCES, read_surface

    source = next(source for source in SOURCES if source.name == "verse010_L1")
    return engine.morpher.morph(*read_surface(source, data_dir)).points


@pytest.mark.parametrize("policy", ["flag", "fe"])
def test_a_compressed_vertebra_is_flagged_or_solved(compressed, policy):
    """Out of distribution, whatever the job wants done then."""
    from workers.stress_stage import compute_stress

    clock = StageClock(lambda stage, percent: None)
    stress = compute_stress(compressed, JobParams(surrogate="tangent", on_out_of_distribution=policy), clock)
    assert stress.prediction.out_of_distribution
    assert stress.fidelity == {"flag": "surrogate", "fe": "fe"}[policy]
    assert list(clock.timings) == {"flag": ["predict"], "fe": ["predict", "solve"]}[policy]
    assert len(stress.warnings) == 1
    assert "does not predict this shape well" in stress.warnings[0]


def test_the_default_has_a_bound_on_a_compressed_vertebra_too(compressed):
    from workers.stress_stage import compute_stress

    clock = StageClock(lambda stage, percent: None)
    stress = compute_stress(compressed, JobParams(on_out_of_distribution="fe"), clock)
    assert list(clock.timings) == ["predict"]
    assert not stress.prediction.out_of_distribution
    assert stress.prediction.error_bound_percent <= 0.06
    assert stress.prediction.unrefined_change_percent > 0.8  # what the prediction alone would have been wrong by
    assert stress.warnings == ()


def reoriented(volume: Volume, axes, flips) -> Volume:
    turned = nib.Nifti1Image(volume.voxels, volume.affine).as_reoriented(np.column_stack([axes, flips]))
    return Volume(np.asarray(turned.dataobj), turned.affine)


@pytest.fixture(scope="module")
def volumes(inputs):
    return read_ct(inputs[0]), read_mask(inputs[1])


def test_all_48_orientations_give_the_same_surface(volumes):
    """All that follows is a function of this surface, so the field is the same from each."""
    ct, mask = volumes
    whole = vertebra_of_label(take_label(read_label_map(mask), L1), ct, ct.grid)
    expected = extract_surface(whole.voxels, whole.affine)
    left_handed = 0
    for axes, flips in ORIENTATIONS:
        own_ct, own_mask = reoriented(ct, axes, flips), reoriented(mask, axes, flips)
        left_handed += np.linalg.det(own_ct.affine[:3, :3]) < 0
        vertebra = vertebra_of_label(take_label(read_label_map(own_mask), L1), own_ct, own_ct.grid)
        surface = extract_surface(vertebra.voxels, vertebra.affine)
        np.testing.assert_allclose(surface.vertices, expected.vertices, atol=1e-6)
        np.testing.assert_array_equal(surface.triangles, expected.triangles)
        assert surface.volume == pytest.approx(57_726.0, rel=1e-4)
    assert (len(ORIENTATIONS), left_handed) == (48, 24)


def test_the_surface_follows_an_oblique_left_handed_affine(volumes):
    """Whatever matrix the header holds: the same voxels, mapped."""
    ct, mask = volumes
    turn = np.array([[0.9, -0.3, 0.1], [0.32, 0.93, 0.05], [-0.1, 0.0, 0.99]])
    turn, _ = np.linalg.qr(turn)
    moved = np.eye(4)
    moved[:3, :3] = turn * -np.sign(np.linalg.det(turn))  # a reflection
    moved[:3, 3] = [30.0, -200.0, 700.0]
    one = vertebra_of_label(take_label(read_label_map(mask), L1), ct, ct.grid)
    straight = extract_surface(one.voxels, one.affine)
    mapped = extract_surface(one.voxels, moved @ one.affine)
    assert straight.volume > 0.0
    assert mapped.volume == pytest.approx(straight.volume, rel=1e-6)
    np.testing.assert_allclose(mapped.vertices, straight.vertices @ moved[:3, :3].T + moved[:3, 3], atol=1e-3)


def test_a_3_mm_staircase_mask_on_a_finer_ct(data_dir, tmp_path):
    """L3 at 1.5 mm; its mask resampled to 3 mm on a grid of its own, RAS instead of PIR."""
    folder = data_dir / "ct/tptbox_L3"
    fine = nib.as_closest_canonical(nib.load(folder / "vertebrae.nii.gz"))
    voxels = np.asarray(fine.dataobj)[1::2, ::2, 1::2]
    affine = fine.affine @ np.array([[2.0, 0, 0, 1], [0, 2, 0, 0], [0, 0, 2, 1], [0, 0, 0, 1]])
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "mask.nii.gz")
    ct = nib.load(folder / "ct.nii.gz")
    assert ct.shape != voxels.shape
    params = JobParams(mask_label=22, vertebra="L3", fidelity="fe", results=["mask.nii.gz"])
    coarse = run(folder / "ct.nii.gz", tmp_path / "mask.nii.gz", params, tmp_path / "out")
    report = coarse.report
    assert report["equilibrium"]["relative_residual"] <= 1e-5
    assert report["mesh"]["non_positive_tets"] == 0
    assert report["fit"]["mean_mm"] <= 0.2
    volume = (np.asarray(fine.dataobj) == 22).sum() * 1.5**3
    assert report["geometry"]["volume_mm3"] == pytest.approx(volume, rel=0.02)
    assert any("3.0 mm" in warning for warning in report["warnings"])
    assert any("L3 was fitted" in warning for warning in report["warnings"])
    back = nib.load(coarse.folder / "mask.nii.gz")
    assert back.shape == ct.shape
    np.testing.assert_allclose(back.affine, ct.affine, atol=1e-5)
    truth = np.asarray(nib.load(folder / "vertebrae.nii.gz").dataobj) == 22
    got = np.asarray(back.dataobj) > 0
    dice = 2 * (got & truth).sum() / (got.sum() + truth.sum())
    assert dice > 0.88


# --- refusals


def save(path: Path, voxels: NDArray, affine: NDArray) -> Path:
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path


class Bad:
    """The real CT and mask of label 31, spoiled in one way each; every method returns (ct, mask, label)."""

    def __init__(self, inputs: tuple[Path, Path], folder: Path) -> None:
        self.ct, self.mask = inputs
        self.folder = folder
        self.hu, self.labels = (np.asarray(nib.load(path).dataobj) for path in inputs)
        self.affine = nib.load(self.ct).affine

    def with_ct(self, voxels: NDArray, affine: NDArray | None = None) -> tuple[Path, Path, int]:
        return save(self.folder / "ct.nii.gz", voxels, self.affine if affine is None else affine), self.mask, 31

    def with_mask(self, voxels: NDArray, affine: NDArray | None = None, label: int = 31) -> tuple[Path, Path, int]:
        affine = self.affine if affine is None else affine
        return self.ct, save(self.folder / "mask.nii.gz", voxels, affine), label

    def raw_ct(self, data: bytes) -> tuple[Path, Path, int]:
        (self.folder / "ct").write_bytes(data)
        return self.folder / "ct", self.mask, 31

    def header(self, offset: int, data: bytes) -> tuple[Path, Path, int]:
        raw = bytearray(gzip.decompress(self.ct.read_bytes()))
        raw[offset : offset + len(data)] = data
        return self.raw_ct(gzip.compress(bytes(raw), 1))


def flipped(data: bytes) -> bytes:
    bad = bytearray(data)
    bad[len(bad) // 2] ^= 4
    return bytes(bad)


def shifted(affine: NDArray, by: float) -> NDArray:
    moved = affine.copy()
    moved[:3, 3] += by
    return moved


BAD_INPUTS = {
    "not NIfTI": (errors.NotNifti, lambda bad: bad.raw_ct(b"\x89PNG\r\n\x1a\n" + bytes(500))),
    "empty": (errors.EmptyUpload, lambda bad: bad.raw_ct(b"")),
    "truncated gzip": (errors.CorruptFile, lambda bad: bad.raw_ct(bad.ct.read_bytes()[:200_000])),
    "bit-flipped gzip": (errors.CorruptFile, lambda bad: bad.raw_ct(flipped(bad.ct.read_bytes()))),
    "bomb": (errors.DecompressionBomb, lambda bad: bad.header(42, 3 * (4096).to_bytes(2, "little"))),
    "4-D": (errors.NotThreeDimensional, lambda bad: bad.with_ct(np.stack([bad.hu, bad.hu], axis=-1))),
    "negative dims": (errors.BadDimensions, lambda bad: bad.header(42, (-122).to_bytes(2, "little", signed=True))),
    "NaN affine": (errors.BadAffine, lambda bad: bad.header(280, np.float32(np.nan).tobytes())),
    "singular affine": (errors.BadAffine, lambda bad: bad.header(280, bytes(16))),
    "1000 mm": (errors.BadSpacing, lambda bad: bad.with_ct(bad.hu, np.diag([1000.0, 1000, 1000, 1]))),
    "MR": (errors.NotHounsfield, lambda bad: bad.with_ct((bad.hu + 1100).clip(0).astype(np.int16))),
    "0..255": (
        errors.NotHounsfield,
        lambda bad: bad.with_ct(np.interp(bad.hu, (-160, 240), (0, 255)).astype(np.uint8)),
    ),
    "another world": (errors.GridMismatch, lambda bad: bad.with_mask(bad.labels, shifted(bad.affine, 900.0))),
    "flipped mask": (errors.GridMismatch, lambda bad: bad.with_mask(bad.labels[:, ::-1])),
    "absent label": (errors.LabelAbsent, lambda bad: (bad.ct, bad.mask, 20)),
    "fractions": (errors.BadMask, lambda bad: bad.with_mask(bad.labels / np.float32(7.0))),
    "cut": (errors.VertebraTruncated, lambda bad: (bad.ct, bad.mask, 32)),
    "fused": (errors.VertebraeFused, lambda bad: bad.with_mask(np.isin(bad.labels, (30, 31)).astype(np.uint8) * 31)),
    "not a vertebra": (errors.NotAVertebra, lambda bad: bad.with_mask(ball(bad))),
}


def ball(bad: Bad) -> NDArray[np.uint8]:
    """A ball of 24 mm where the vertebra is."""
    centre = np.argwhere(bad.labels == 31).mean(axis=0)
    distance = np.linalg.norm(np.indices(bad.labels.shape) - centre[:, None, None, None], axis=0)
    return ((distance < 4) * 31).astype(np.uint8)


@pytest.mark.parametrize(("error", "spoil"), BAD_INPUTS.values(), ids=BAD_INPUTS)
def test_a_refusal_leaves_nothing(inputs, tmp_path, error, spoil):
    ct, mask, label = spoil(Bad(inputs, tmp_path))
    out = tmp_path / "out"
    out.mkdir()
    reached: list[str] = []
    with pytest.raises(error) as caught:
        run_pipeline(ct, mask, JobParams(mask_label=label), out, lambda stage, _: reached.append(stage))
    assert list(out.iterdir()) == []
    assert not {"solve", "write"} & set(reached)
    problem = caught.value.problem()
    assert problem["type"].endswith(error.slug)
    assert problem["expected"]
    assert problem["got"]


def test_an_absent_label_lists_those_present(inputs, tmp_path):
    with pytest.raises(errors.LabelAbsent) as caught:
        run(*inputs, JobParams(mask_label=20), tmp_path / "out")
    assert caught.value.extra == {"labels_present": [26, 27, 28, 29, 30, 31, 32, 33]}
    assert "31 (L1)" in caught.value.detail
    assert "in TotalSegmentator v2 numbering" in caught.value.detail
    assert "VerSe" not in caught.value.detail  # what 20 is in another numbering leads nowhere here


def test_a_stopped_job_leaves_nothing(inputs, tmp_path):
    """`progress` may raise (a lost claim, a deadline): nothing is written before the last stage."""

    class StopHereError(Exception):
        pass

    def stop(stage: str, _: float) -> None:
        if stage == "morph":
            raise StopHereError

    with pytest.raises(StopHereError):
        run_pipeline(*inputs, L1, tmp_path, stop)
    assert list(tmp_path.iterdir()) == []

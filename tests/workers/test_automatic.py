"""A CT alone: the right vertebra is found and segmented, or the job says why not. Real where there is one."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from app.contract import errors
from app.contract.params import JobParams
from app.contract.report import Segmentation
from models.bundle import DEFAULT_BUNDLE, NETWORKS, Bundle
from workers.engine import Engine, engine
from workers.imaging.volume import Volume, read_ct, read_mask
from workers.locate.body_centre import body_centre
from workers.locate.landmark_network import Landmarks
from workers.locate.named_row import NamedRow
from workers.mask.cleaning import CleanMask
from workers.mask.segmentation_checks import accept_segmentation
from workers.pipeline import run_pipeline
from workers.results.segmentation_section import segmentation_section

L1 = JobParams()
DRAWN_MM = 2.0
"""Pixels of the synthetic CTs: as small as the networks need them, and made in half the time of 1.5 mm."""
LABELS = {"L1": 31, "L2": 30, "L3": 29, "L4": 28, "L5": 27}


def find(ct: Volume, params: JobParams = L1, row: NamedRow | None = None) -> tuple[CleanMask, Segmentation]:
    """Find and segment a vertebra, in the row of bodies where it is known already."""
    finder = engine().finder
    location = finder.locate(ct, row or finder.row(ct), params.vertebra_sought, params.seed_ras_mm)
    probability = finder.segment(ct, location)
    vertebra = accept_segmentation(probability, location, ct)
    return vertebra, segmentation_section(location, probability, vertebra)


def dice(found: CleanMask, labels: Volume, label: int) -> float:
    """Overlap on the voxels of the reference."""
    truth = labels.voxels == label
    index = np.argwhere(np.ones_like(truth))
    to_found = np.linalg.inv(found.affine) @ labels.affine
    at = np.rint(index @ to_found[:3, :3].T + to_found[:3, 3]).astype(int)
    inside = ((at >= 0) & (at < found.voxels.shape)).all(axis=1)
    ours = np.zeros(truth.size, bool)
    ours[inside] = found.voxels[tuple(at[inside].T)]
    return float(2.0 * (ours & truth.ravel()).sum() / (ours.sum() + truth.sum()))


@dataclass(frozen=True)
class Real:
    ct: Volume
    labels: Volume
    path: Path

    def centre(self, level: str) -> NDArray[np.float64]:
        voxel = np.argwhere(self.labels.voxels == LABELS[level]).mean(axis=0)
        return np.asarray(self.labels.affine[:3, :3] @ voxel + self.labels.affine[:3, 3])


@pytest.fixture(scope="module")
def real(data_dir) -> Real:
    folder = data_dir / "ct/totalsegmentator_example"
    return Real(read_ct(folder / "ct.nii.gz"), read_mask(folder / "vertebrae.nii.gz"), folder / "ct.nii.gz")


@cache
def template_spine():
    from synthetic_ct.spine import make_template_spine

    return make_template_spine(engine().morpher)


@pytest.fixture(scope="module")
def lumbar():
    """A synthetic lumbar CT of the template's own spine: needs no data. On 1 mm it would take four times as long."""
    from synthetic_ct.whole_ct import make_lumbar_ct

    return make_lumbar_ct(3, [template_spine()], spacing=1.5)


@pytest.fixture(scope="module")
def row(real) -> NamedRow:
    """The bodies of the real CT, which are the same whatever is asked for."""
    return engine().finder.row(real.ct)


class Counted:
    """A network's session that counts the slices it is shown."""

    def __init__(self, session) -> None:
        self.session, self.slices = session, 0

    def run(self, names, inputs):
        self.slices += len(inputs["slices"])
        return self.session.run(names, inputs)


@pytest.fixture(scope="module")
def counted() -> Counted:
    return Counted(engine().finder.segmenter.session)


@pytest.fixture(scope="module")
def reference(real, row, counted) -> tuple[CleanMask, Segmentation]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine().finder.segmenter, "session", counted)
        return find(real.ct, row=row)


def test_l1_of_a_real_ct(real, reference):
    mask, section = reference
    assert dice(mask, real.labels, LABELS["L1"]) > 0.9
    assert section.confidence is not None
    assert section.confidence > 0.75
    assert "L1" in section.levels_seen
    assert np.linalg.norm(np.array(section.centre_ras_mm) - real.centre("L1")) < 25.0


def test_the_network_is_shown_the_slices_of_the_vertebra_and_few_more(reference, counted):
    assert counted.slices == 44  # of 72; 34 hold something of it


def test_ribs_are_seen_at_the_chest_s_vertebrae_and_the_sacrum_at_the_last(real, lumbar):
    landmarks = engine().finder.landmarks
    for level in LABELS:
        body, _ = body_centre(real.labels.voxels == LABELS[level], real.labels.affine)
        assert landmarks.at(real.ct, body) == Landmarks(False, "on" if level == "L5" else "above"), level
    for level in ("T11", "T12", "L1", "L2", "L3", "L4", "L5"):
        expected = Landmarks(level.startswith("T"), "on" if level == "L5" else "above")
        assert landmarks.at(lumbar.ct, lumbar.centre(level)) == expected, level


def test_every_lumbar_level_is_found_as_itself(real, row, reference):
    for level, label in LABELS.items():
        mask, _ = reference if level == "L1" else find(real.ct, JobParams(vertebra=level), row)
        assert dice(mask, real.labels, label) > 0.85, level


def test_the_whole_job_without_a_mask(real, tmp_path):
    told: list[tuple[str, float]] = []
    params = JobParams(results=["mask.nii.gz"])
    run_pipeline(real.path, None, params, tmp_path, lambda stage, percent: told.append((stage, percent)))
    percents = [percent for _, percent in told]
    assert percents == sorted(percents)
    assert len(told) > 30  # the networks tell their steps
    assert list(dict(told)) == ["read", "localise", "segment", "surface", "morph", "predict", "write"]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["segmentation"]["confidence"] > 0.75
    assert report["inputs"]["mask_sha256"] is None
    assert any("CT's voxels measure up to 3.0 mm" in warning for warning in report["warnings"])
    mask = nib.load(tmp_path / "mask.nii.gz")
    assert mask.shape == real.ct.voxels.shape
    assert 0.9 < np.asarray(mask.dataobj).sum() / (real.labels.voxels == LABELS["L1"]).sum() < 1.15


@pytest.mark.parametrize(
    ("axes", "flips"), [((2, 0, 1), (-1, 1, -1)), ((1, 2, 0), (1, -1, 1)), ((0, 1, 2), (-1, -1, 1))]
)
def test_orientation_codes_change_nothing(real, reference, axes, flips):
    target = np.stack([axes, flips], axis=1)
    turned = nib.Nifti1Image(real.ct.voxels, real.ct.affine).as_reoriented(target)
    mask, section = find(Volume(np.asarray(turned.dataobj), turned.affine))
    assert section.centre_ras_mm == pytest.approx(reference[1].centre_ras_mm, abs=0.11)
    assert mask.volume_mm3 == pytest.approx(reference[0].volume_mm3, rel=2e-3)


def test_a_tilted_affine_finds_the_same_bone(real, reference):
    angle = np.radians(12.0)
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    mask, section = find(Volume(real.ct.voxels, tilt @ real.ct.affine))
    moved = tilt[:3, :3] @ np.array(reference[1].centre_ras_mm)
    assert np.linalg.norm(np.array(section.centre_ras_mm) - moved) < 4.0
    assert mask.volume_mm3 == pytest.approx(reference[0].volume_mm3, rel=0.08)


def test_padding_changes_nothing(real, reference):
    ct = real.ct.voxels
    padded = np.full([n + 20 for n in ct.shape], -2048, np.int16)
    padded[10:-10, 10:-10, 10:-10] = ct
    affine = real.ct.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, 10.0)
    mask, section = find(Volume(padded, affine))
    assert np.linalg.norm(np.array(section.centre_ras_mm) - reference[1].centre_ras_mm) < 3.0
    assert mask.volume_mm3 == pytest.approx(reference[0].volume_mm3, rel=0.05)


@pytest.mark.parametrize(
    ("level", "where"), [("L3", "body"), ("L3", "spinous process"), ("L2", "spinous process"), ("L4", "left process")]
)
def test_a_seed_says_which_vertebra(real, row, level, where):
    """The tip of L2's spinous process lies lower than its body, in slices of L3's."""
    voxels = np.argwhere(real.labels.voxels == LABELS[level])
    world = voxels @ real.labels.affine[:3, :3].T + real.labels.affine[:3, 3]
    seed = {
        "body": world.mean(axis=0) + np.array([0.0, 14.0, 4.0]),
        "spinous process": world[np.argsort(world[:, 1])[2]],
        "left process": world[np.argsort(world[:, 0])[2]],
    }[where]
    params = JobParams(vertebra=level, seed_ras_mm=[float(v) for v in seed])
    mask, section = find(real.ct, params, row)
    assert dice(mask, real.labels, LABELS[level]) > 0.85
    assert section.confidence is None


@pytest.mark.parametrize("offset", [(80.0, 60.0, 0.0), (0.0, 0.0, 1000.0)])
def test_a_seed_beside_the_spine_or_outside_the_scan(real, row, offset):
    seed = real.centre("L2") + offset
    with pytest.raises(errors.VertebraNotFound) as caught:
        find(real.ct, JobParams(seed_ras_mm=[float(v) for v in seed]), row)
    assert caught.value.got


def crop(real: Real, low: float, high: float) -> Volume:
    """The slices of the CT between two heights, mm relative to the middle of L1."""
    z = real.ct.affine[2, 3] + real.ct.affine[2, 2] * np.arange(real.ct.voxels.shape[2]) - real.centre("L1")[2]
    keep = np.flatnonzero((z >= low) & (z <= high))
    affine = real.ct.affine.copy()
    affine[:3, 3] += affine[:3, 2] * keep[0]
    return Volume(real.ct.voxels[:, :, keep], affine)


@pytest.mark.parametrize(("low", "high"), [(-300.0, -45.0), (-300.0, 5.0), (-8.0, 300.0), (-300.0, -120.0)])
def test_scans_without_the_whole_of_l1(real, low, high):
    with pytest.raises((errors.VertebraNotFound, errors.VertebraTruncated)) as caught:
        find(crop(real, low, high))
    assert caught.value.expected
    assert caught.value.got


def test_five_millimetre_slices(lumbar):
    ct = lumbar.ct
    step = round(5.0 / float(ct.spacing[2]))
    n = ct.voxels.shape[2] // step
    thick = ct.voxels[:, :, : n * step].reshape(*ct.voxels.shape[:2], n, step).mean(axis=3)
    affine = ct.affine.copy()
    affine[:3, 3] += affine[:3, 2] * 0.5 * (step - 1)
    affine[:3, 2] *= step
    mask, _ = find(Volume(np.rint(thick).astype(np.int16), affine))
    assert dice(mask, lumbar.labels, 20) > 0.8


def test_a_synthetic_lumbar_ct(lumbar):
    mask, section = find(lumbar.ct)
    assert dice(mask, lumbar.labels, 20) > 0.88
    assert np.linalg.norm(np.array(section.centre_ras_mm) - lumbar.centre("L1")) < 6.0
    assert section.level_by_sacrum == "L1"


def synthetic(seed: int, low: str, high: str, metal: bool = False, protocol=None):
    """A CT of the template's spine between two levels (30 mm more on both ends)."""
    from synthetic_ct.person import Person
    from synthetic_ct.spine import make_spine
    from synthetic_ct.whole_ct import PLAIN, scan_person

    random = np.random.default_rng(seed)
    person = Person.make(random, make_spine(random, [template_spine()]))
    at = {v.level: v.centre for v in person.spine.vertebrae}
    middle = 0.5 * (at[low] + at[high])
    below, above = np.array([110.0, 110.0, 0.0]), np.array([110.0, 90.0, 0.0])
    a, b = middle - below, middle + above
    a[2], b[2] = at[low][2] - 30.0, at[high][2] + 30.0
    return scan_person(random, person, a, b, protocol=protocol or PLAIN, metal=metal, spacing=DRAWN_MM)


def test_a_chest_ct_has_no_l1():
    with pytest.raises((errors.VertebraNotFound, errors.VertebraTruncated)) as caught:
        find(synthetic(5, "T10", "T4").ct)
    assert "T" in (caught.value.got or "")


def test_a_head_ct_has_no_vertebra():
    x, y, z = np.meshgrid(*[np.arange(-100.0, 100.0, 2.0)] * 3, indexing="ij")
    radius = np.sqrt((x / 75.0) ** 2 + (y / 92.0) ** 2 + (z / 70.0) ** 2)
    hu = np.where(radius < 1.0, 900.0, -1000.0)
    hu[radius < 0.92] = 35.0
    hu += 8.0 * np.random.default_rng(0).standard_normal(hu.shape)
    with pytest.raises(errors.VertebraNotFound):
        find(Volume(hu.astype(np.int16), np.diag([2.0, 2.0, 2.0, 1.0])))


FIVE_LUMBAR = ("T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
SIX_LUMBAR = ("T10", "T11", "T12", "L1", "L1", "L2", "L3", "L4", "L5")
FOUR_LUMBAR = ("T9", "T10", "T11", "T11", "T12", "L2", "L3", "L4", "L5")


def lumbosacral(levels: tuple[str, ...]):
    """A CT of a straight spine of nine vertebrae; those whose names begin with T have ribs, the last has the sacrum."""
    from synthetic_ct.person import Person
    from synthetic_ct.spine import make_spine
    from synthetic_ct.whole_ct import scan_person

    random = np.random.default_rng(2)
    spine = make_spine(random, [template_spine()], top="T9", bent=False)
    vertebrae = tuple(replace(v, level=level) for v, level in zip(spine.vertebrae, levels, strict=True))
    person = Person.make(random, replace(spine, vertebrae=vertebrae))
    centres = np.array([v.centre for v in vertebrae])
    low = centres.min(axis=0) - np.array([110.0, 110.0, 80.0])
    high = centres.max(axis=0) + np.array([110.0, 90.0, 25.0])
    return scan_person(random, person, low, high, spacing=DRAWN_MM)


def test_a_straight_spine_with_five_lumbar_vertebrae():
    scan = lumbosacral(FIVE_LUMBAR)
    mask, section = find(scan.ct)
    assert section.level_by_ribs == "L1"
    assert section.level_by_sacrum in ("L1", None)
    assert dice(mask, scan.labels, 20) > 0.85


@pytest.mark.parametrize(
    ("levels", "counts"),
    [(SIX_LUMBAR, [("L2", "L1"), ("L1", "T12")]), (FOUR_LUMBAR, [("T12", "L1"), ("L1", "L2")])],
)
def test_with_six_or_four_lumbar_vertebrae_ribs_and_sacrum_contradict(levels, counts):
    """The same spine: which one is L1 depends on where one counts from. Either body may be the likelier one."""
    with pytest.raises(errors.VertebraNotFound) as caught:
        find(lumbosacral(levels).ct)
    assert any(f"by the ribs {ribs}, by the sacrum {sacrum}," in caught.value.got for ribs, sacrum in counts)
    assert len(caught.value.problem()["alternatives"]) > 0


def test_implants_give_the_right_vertebra_or_a_refusal():
    scan = synthetic(6, "L5", "T10", metal=True)
    try:
        _, section = find(scan.ct)
    except errors.InputError:
        return
    assert np.linalg.norm(np.array(section.centre_ras_mm) - scan.centre("L1")) < 15.0


def test_a_bundle_without_networks_asks_for_a_mask(tmp_path):
    manifest = json.loads((DEFAULT_BUNDLE / "manifest.json").read_text())
    for name in NETWORKS:
        manifest["files"].pop(name)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(errors.MaskRequired):
        _ = Engine(Bundle(tmp_path)).finder

"""Real CTs on the grids of the networks: labels stay on their vertebrae, volumes are kept."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from synthetic_ct.bone_labels import SACRUM, THORACOLUMBAR_LEVELS, UNKNOWN
from tests.training.segmentation.data.verse_files import write_verse
from training.segmentation.data.provenance import SCANNED_PEOPLE
from training.segmentation.data.real_cts import RealCt, data_folder_cts, verse_cts
from training.segmentation.data.real_scans import BONE_HU, real_crops, real_trunk, write_real_scans
from training.segmentation.data.scan_files import (
    CROP_SCAN_HIGH,
    CROP_SCAN_LOW,
    CropScan,
    TrunkScan,
    files_without,
    read_crop,
    read_trunk,
)
from workers.imaging.resampling import COARSE_MM, CROP_STEP_MM

LUMBAR = tuple(f"L{i}" for i in range(1, 6))


@pytest.fixture(scope="module")
def sources(data_dir) -> dict[str, RealCt]:
    return {source.person: source for source in data_folder_cts(data_dir)}


@pytest.fixture(scope="module")
def trunk(sources) -> TrunkScan:
    return real_trunk(sources["totalsegmentator"])


@pytest.fixture(scope="module")
def crops(sources) -> dict[str, list[CropScan]]:
    return {person: real_crops(source) for person, source in sources.items()}


def test_everybody_with_a_real_ct_is_left_out_by_name(sources, trunk, crops):
    assert set(sources) == set(SCANNED_PEOPLE)
    assert trunk.people == ("totalsegmentator",)
    assert all(crop.people == (person,) for person, found in crops.items() for crop in found)
    assert {person: tuple(c.level for c in found) for person, found in crops.items()} == {
        "totalsegmentator": LUMBAR,
        "tptbox": ("L3",),
        "verse004": ("L2",),
    }


def test_crops_know_the_bodies_around_their_own(crops):
    """T12 of the abdomen is cut, but its body shows."""
    by_level = {crop.level: crop for crop in crops["totalsegmentator"]}
    assert set(by_level["L1"].levels) >= {"T12", "L1", "L2"}
    assert set(by_level["L3"].levels) >= {"L2", "L3", "L4"}
    for crop in by_level.values():
        own = crop.centres[crop.levels.index(crop.level)]
        np.testing.assert_allclose(own, crop.centre, atol=0.01)
        for body in crop.centres:
            i, j, k = np.rint(body).astype(int)
            assert crop.image[i - 4 : i + 5, j - 4 : j + 5, k - 2 : k + 3].mean() > 60.0


def test_the_trunks_levels_stand_in_order(trunk):
    by_level = {
        THORACOLUMBAR_LEVELS[rank - 1]: centre for rank, centre in zip(trunk.levels, trunk.centres, strict=True)
    }
    heights = [by_level[level][2] * COARSE_MM for level in LUMBAR]
    steps = -np.diff(heights)
    assert ((steps > 25.0) & (steps < 45.0)).all()
    for level, centre in by_level.items():
        voxel = tuple(np.rint(centre).astype(int))
        assert trunk.bone[voxel] == THORACOLUMBAR_LEVELS.index(level) + 1, level


def test_the_trunk_has_its_sacrum_below_and_marks_what_nobody_labelled(trunk):
    l5 = np.argwhere(trunk.bone == THORACOLUMBAR_LEVELS.index("L5") + 1)[:, 2]
    sacrum = np.argwhere(trunk.bone == SACRUM)[:, 2]
    assert len(sacrum) > 60
    assert sacrum.mean() < l5.mean() - 4
    unknown = trunk.bone == UNKNOWN
    assert unknown.sum() > 500  # ribs and pelvis
    bright = trunk.image > BONE_HU
    assert (trunk.bone[bright] > 0).all()  # nothing that bright is trained on as no bone,
    near = ndimage.distance_transform_edt(trunk.image <= BONE_HU - 1)  # (the image is rounded)
    assert (near[unknown] < 2.3).all()  # nor is what surrounds it
    assert set(np.unique(trunk.bone)) - {0, SACRUM, UNKNOWN} <= set(range(1, 18))


def test_the_trunk_keeps_its_vertebrae_as_large_as_they_are(sources, trunk):
    source = sources["totalsegmentator"]
    _, mask = source.read()
    for level in LUMBAR:
        volume = np.isin(mask.voxels, source.labels[level]).sum() * np.prod(mask.spacing)
        drawn = (trunk.bone == THORACOLUMBAR_LEVELS.index(level) + 1).sum() * COARSE_MM**3
        assert drawn == pytest.approx(volume, rel=0.12), level


@pytest.mark.parametrize("person", SCANNED_PEOPLE)
def test_crops_keep_the_volume_of_the_mask(sources, crops, person):
    source = sources[person]
    _, mask = source.read()
    for crop in crops[person]:
        expected = np.isin(mask.voxels, source.labels[crop.level]).sum() * abs(np.linalg.det(mask.affine[:3, :3]))
        found = crop.inside.sum(dtype=float) / 255.0 * np.prod(CROP_STEP_MM)
        assert found == pytest.approx(expected, rel=0.03), crop.level


@pytest.mark.parametrize("person", SCANNED_PEOPLE)
def test_a_vertebra_faces_forwards_in_its_crop(crops, person):
    """Body at the centre, spinous process behind, symmetric about it; the CT is brighter inside the mask."""
    for crop in crops[person]:
        np.testing.assert_allclose(crop.centre, -CROP_SCAN_LOW / CROP_STEP_MM, rtol=1e-6)
        np.testing.assert_array_equal(
            crop.image.shape, np.floor((CROP_SCAN_HIGH - CROP_SCAN_LOW) / CROP_STEP_MM + 1e-9) + 1
        )
        assert crop.inside[tuple(np.rint(crop.centre).astype(int))] > 250
        offset = (np.argwhere(crop.inside > 127) - crop.centre) * CROP_STEP_MM
        x, y, z = offset.mean(axis=0)
        assert -25.0 < y < -6.0, crop.level
        assert abs(x) < 5.0
        assert abs(z) < 10.0
        assert offset[:, 1].min() < -45.0  # the tip of the spinous process
        assert 10.0 < offset[:, 1].max() < 28.0
        behind = offset[offset[:, 1] < -35.0]
        assert np.abs(behind[:, 0]).mean() < 15.0
        bone, around = crop.image[crop.inside > 200], crop.image[crop.inside == 0]
        assert np.median(bone) > np.median(around) + 60.0


def test_what_is_written_once_is_kept(tmp_path):
    write_verse(tmp_path / "in", "sub-verse501", {19: slice(4, 16), 20: slice(18, 30), 21: slice(32, 46)})
    sources = verse_cts(tmp_path / "in")
    crops, trunks = write_real_scans(sources, tmp_path / "out")
    assert [path.name for path in crops] == [f"verse501_sub-verse501_ct_{level}.npz" for level in ("L1", "L2", "T12")]
    assert len(trunks) == 1
    times = {path: path.stat().st_mtime_ns for path in (*crops, *trunks)}
    assert write_real_scans(sources, tmp_path / "out") == (crops, trunks)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert files_without(crops, ("verse501",)) == []
    assert files_without(crops, ("verse004",)) == crops


def test_a_verse_ct_is_put_on_both_grids(verse_folder, verse_person, tmp_path):
    (source,) = verse_cts(verse_folder)
    assert source.person == "a"
    assert {"L1", "L2", "L3", "L4"} <= set(source.whole)
    crops, trunks = write_real_scans((source,), tmp_path)
    assert len(crops) == len(source.whole)
    trunk = read_trunk(trunks[0])
    centre = np.rint(trunk.centres[list(trunk.levels).index(13)]).astype(int)
    assert trunk.bone[tuple(centre)] == 13
    assert UNKNOWN in trunk.bone  # ribs and pelvis have no label in VerSe
    l1 = next(crop for crop in map(read_crop, crops) if crop.level == "L1")
    volume = l1.inside.astype(float).sum() / 255.0 * 1.5
    assert volume == pytest.approx(
        (verse_person.labels.voxels == 20).sum() * np.prod(verse_person.ct.spacing), rel=0.02
    )

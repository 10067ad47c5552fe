"""Anatomy crops: what is coded comes back, the depth is that of each bone alone, discs are found along the axis."""

from __future__ import annotations

import numpy as np
import pytest

from synthetic_ct.tissue import Tissue
from tests.training.segmentation.small_anatomy import DISC_ABOVE, DISC_BELOW, OWN, columns, draw_labels, make_crop
from training.segmentation.data.anatomy_crops import (
    CENTRE,
    DEPTH_STEP_MM,
    DISC_SAMPLE_MM,
    MOST_DEPTH,
    AnatomyCrop,
    encode_anatomy,
    people_of,
    read_anatomy_crop,
)


def test_codes_hold_bone_tissue_joints_and_what_is_behind():
    random = np.random.default_rng(0)
    bone = np.where(random.random((9, 8, 7)) < 0.5, 0, random.integers(1, 22, (9, 8, 7))).astype(np.uint8)
    tissue = random.integers(0, len(Tissue), bone.shape).astype(np.uint8)
    joint, behind = random.random((2, *bone.shape)) < 0.5
    crop = AnatomyCrop(encode_anatomy(bone, tissue, joint, behind), "L1", (), np.array([0.0, 0.0, 1.0]))
    np.testing.assert_array_equal(crop.bone, bone)
    np.testing.assert_array_equal(crop.tissue, np.where(bone > 0, 0, tissue))
    np.testing.assert_array_equal(crop.joint, joint)
    np.testing.assert_array_equal(crop.behind, behind)


def test_depth_is_measured_in_each_bone_alone():
    """Two boxes touch: each is as deep as without the other, up to its face."""
    bone = np.zeros((24, 24, 24), np.uint8)
    bone[4:12, 2:22, 2:22], bone[12:20, 2:22, 2:22] = 1, 2
    nothing = np.zeros(bone.shape, bool)
    code = encode_anatomy(bone, np.zeros_like(bone), nothing, nothing)
    depth = AnatomyCrop(code, "L1", (), np.array([0.0, 0.0, 1.0])).depth * DEPTH_STEP_MM
    expected = [0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 3.0, 2.0, 1.0, 1.0, 2.0, 3.0, 4.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    np.testing.assert_allclose(depth[3:21, 12, 12], expected, atol=1e-6)


def test_the_deepest_voxels_do_not_overflow():
    bone = np.ones((60, 60, 60), np.uint8)
    nothing = np.zeros(bone.shape, bool)
    crop = AnatomyCrop(encode_anatomy(bone, bone, nothing, nothing), "L1", (), np.array([0.0, 0.0, 1.0]))
    assert crop.depth[30, 30, 30] == MOST_DEPTH


def test_discs_lie_where_they_were_drawn():
    above, below = make_crop().discs
    assert above == pytest.approx(DISC_ABOVE, abs=2.0 * DISC_SAMPLE_MM)
    assert below == pytest.approx(DISC_BELOW, abs=2.0 * DISC_SAMPLE_MM)


def test_a_vertebra_without_a_disc_has_none():
    bone, tissue = draw_labels()
    tissue[tissue == Tissue.DISC] = Tissue.FAT
    nothing = np.zeros(bone.shape, bool)
    crop = AnatomyCrop(encode_anatomy(bone, tissue, nothing, nothing), "L3", (), np.array([0.0, 0.0, 1.0]))
    assert crop.discs == (None, None)


def test_a_crop_is_read_as_it_was_written(tmp_path):
    crop, path = make_crop("somebody"), tmp_path / "crop.xz"
    crop.save(path)
    back = read_anatomy_crop(path)
    np.testing.assert_array_equal(back.code, crop.code)
    np.testing.assert_array_equal(back.up, crop.up)
    assert (back.level, back.people) == ("L3", ("somebody",))
    assert people_of(path) == ("somebody",)
    assert [p.name for p in tmp_path.iterdir()] == ["crop.xz"]


def test_the_centre_is_in_the_vertebra():
    crop = make_crop()
    assert crop.bone[tuple(CENTRE.astype(int))] == OWN
    assert (crop.bone[columns((-12, -10, -14), (12, 10, 13))] == OWN).all()

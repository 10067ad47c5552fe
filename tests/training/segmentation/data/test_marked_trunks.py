"""Trunks from marks: only balls about body centres are known, all other bone is not."""

from __future__ import annotations

import numpy as np
import pytest

from synthetic_ct.bone_labels import CERVICAL, SACRUM, UNKNOWN, label_of
from training.segmentation.data.annotations import Annotation, read_annotations
from training.segmentation.data.marked_trunks import BALL_MM, make_marked_trunks, marked_trunk
from training.segmentation.data.scan_files import read_trunk
from workers.imaging.volume import Volume

BODIES = (("L4", 60.0), ("L5", 28.0), ("S1", -4.0))
"""Level and height of each marked body."""


@pytest.fixture(scope="module")
def annotation() -> Annotation:
    bodies = [{"level": level, "centre_ras_mm": (0.0, 0.0, z), "whole": True, "sacrum": "above"} for level, z in BODIES]
    text = {"person": "a", "ct": "x/ct.nii.gz", "sha256": "0" * 64, "known_by": "sacrum", "note": "", "labels": None}
    return Annotation.model_validate(text | {"bodies": bodies})


@pytest.fixture(scope="module")
def ct() -> Volume:
    """A column of 300 HU, 28 mm wide, in soft tissue; voxels of 2 mm."""
    voxels = np.full((60, 60, 60), 40, np.int16)
    voxels[23:37, 23:37] = 300
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -60.0, -60.0, -30.0
    return Volume(voxels, affine)


def test_balls_have_the_levels_and_other_bone_is_unknown(ct, annotation):
    trunk = marked_trunk(ct, annotation)
    ball = 4.0 / 3.0 * np.pi * BALL_MM**3 / 4.0**3
    for label in (label_of("L4"), label_of("L5"), SACRUM):
        assert (trunk.bone == label).sum() == pytest.approx(ball, rel=0.25)
    assert (trunk.bone == UNKNOWN).sum() > 5 * ball
    assert (trunk.bone == 0).sum() > trunk.bone.size / 2
    places = np.argwhere(trunk.bone == label_of("L5")).mean(axis=0)
    np.testing.assert_allclose(places, trunk.centres[1], atol=0.5)


def test_the_sacrum_has_no_centre(ct, annotation):
    trunk = marked_trunk(ct, annotation)
    assert trunk.levels.tolist() == [label_of("L4"), label_of("L5")]
    assert trunk.centres.shape == (2, 3)
    assert trunk.people == ("a",)


def test_the_marked_cts_become_trunks_once(data_dir, tmp_path):
    annotations = [a for a in read_annotations() if a.name in ("cmb_crc_chest", "acrin_petct_42f", "tptbox_L3")]
    (path,) = make_marked_trunks(tuple(annotations), data_dir, tmp_path)  # the others: uncertain, one body
    trunk = read_trunk(path)
    assert trunk.levels.tolist() == [CERVICAL, *range(1, 11)]
    for label, centre in zip(trunk.levels, trunk.centres, strict=True):
        assert trunk.bone[tuple(np.rint(centre).astype(int))] == label
    written = path.stat().st_mtime_ns
    assert make_marked_trunks(tuple(annotations), data_dir, tmp_path) == [path]
    assert path.stat().st_mtime_ns == written

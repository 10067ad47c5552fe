"""A VerSe folder is read, or told what it lacks."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from training.segmentation.real import UNKNOWN, verse_cts, write_real
from training.segmentation.scans import read_crop, read_trunk
from training.segmentation.whole_ct import SyntheticCt, lumbar_ct, template_spine, write


@pytest.fixture(scope="module")
def synthetic() -> SyntheticCt:
    return lumbar_ct(4, [template_spine()])


@pytest.fixture(scope="module")
def verse(synthetic, tmp_path_factory) -> Path:
    """One synthetic person in VerSe's BIDS layout and labels."""
    folder = tmp_path_factory.mktemp("verse")
    ct, mask = write(synthetic, folder / "made")
    for part, file, name in (
        ("rawdata", ct, "sub-a_ct.nii.gz"),
        ("derivatives", mask, "sub-a_seg-vert_msk.nii.gz"),
    ):
        target = folder / part / "sub-a" / name
        target.parent.mkdir(parents=True)
        shutil.move(file, target)
    return folder


def test_a_verse_folder_is_read(verse, synthetic, tmp_path):
    (source,) = verse_cts(verse)
    assert source.person == "a"
    assert {"L1", "L2", "L3", "L4"} <= set(source.whole)
    crops, trunks = write_real((source,), tmp_path)
    assert len(crops) == len(source.whole)
    trunk = read_trunk(trunks[0])
    at = np.rint(trunk.centres[list(trunk.levels).index(13)]).astype(int)
    assert trunk.bone[tuple(at)] == 13
    assert UNKNOWN in trunk.bone  # ribs and pelvis have no label in VerSe
    l1 = next(crop for crop in map(read_crop, crops) if crop.level == "L1")
    volume = l1.inside.astype(float).sum() / 255.0 * 1.5
    assert volume == pytest.approx((synthetic.labels.voxels == 20).sum() * np.prod(synthetic.ct.spacing), rel=0.02)


def test_a_folder_without_verse_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="VerSe in BIDS layout"):
        verse_cts(tmp_path)

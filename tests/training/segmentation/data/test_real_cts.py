"""Real CTs: a turned file is turned back, a body is needed for a centre, VerSe's files are paired."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from tests.training.segmentation.data.verse_files import write_verse
from training.segmentation.data.real_cts import RealCt, body_centres, data_folder_cts, verse_cts


@pytest.fixture(scope="module")
def sources(data_dir) -> dict[str, RealCt]:
    return {source.person: source for source in data_folder_cts(data_dir)}


def test_only_the_density_scan_is_turned(sources):
    assert {person: source.turned for person, source in sources.items()} == {
        "totalsegmentator": False,
        "tptbox": False,
        "verse004": True,
    }
    source = sources["verse004"]
    ct, mask = source.read()
    plain, stored = nib.load(source.ct), nib.load(source.mask)
    for ours, file in ((ct, plain), (mask, stored)):
        np.testing.assert_allclose(ours.affine[:2], -file.affine[:2])
        np.testing.assert_allclose(ours.affine[2], file.affine[2])
        np.testing.assert_allclose(ours.voxels, np.asarray(file.dataobj), rtol=1e-6)


def test_centres_need_a_body(sources):
    """The scan about L3 holds L4's body, but of L2 only the lower end."""
    source = sources["tptbox"]
    _, mask = source.read()
    found = body_centres(mask, source.labels)
    assert set(source.labels) == {"L2", "L3", "L4"}
    assert set(found) == {"L3", "L4"}
    world = np.argwhere(np.isin(mask.voxels, source.labels["L3"])) @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    apart = found["L3"] - world.mean(axis=0)
    assert 6.0 < np.linalg.norm(apart) < 25.0
    assert apart[1] > 6.0
    assert 25.0 < found["L3"][2] - found["L4"][2] < 40.0


def test_a_verse_folder_gives_whole_vertebrae_of_ct_and_mask_pairs(tmp_path):
    write_verse(tmp_path, "sub-verse501", {19: slice(0, 12), 20: slice(16, 30), 21: slice(32, 46)})
    write_verse(tmp_path, "sub-verse502", {20: slice(5, 20)}, ct=False)
    (found,) = verse_cts(tmp_path)
    assert found.person == "verse501"
    assert found.labels == {"T12": (19,), "L1": (20,), "L2": (21,)}
    assert found.whole == ("L1", "L2")  # T12 reaches the lowest slice
    with pytest.raises(FileNotFoundError):
        verse_cts(tmp_path / "rawdata")


def test_a_folder_without_verse_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="VerSe in BIDS layout"):
        verse_cts(tmp_path)

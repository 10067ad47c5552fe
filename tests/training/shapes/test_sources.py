"""The source shapes: one name and one person each; VerSe folders."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from training.shapes.sources import HELD_OUT_SOURCES, SOURCES, verse_sources


def test_no_person_has_two_names():
    assert len({source.name for source in SOURCES}) == len(SOURCES) == 33
    assert next(s for s in SOURCES if s.name == "verse004_qct_L2").person == "verse004"
    assert len({source.person for source in SOURCES}) == 7


def test_verse_folder(tmp_path):
    """BIDS masks of two people, one without an L1."""
    for person, labels in (("verse007", [19, 20, 21]), ("verse008", [22, 23]), ("verse009", [20])):
        folder = tmp_path / "derivatives" / f"sub-{person}"
        folder.mkdir(parents=True)
        voxels = np.zeros((12, 12, 12), np.uint8)
        for i, label in enumerate(labels):
            voxels[2:6, 2:6, 3 * i : 3 * i + 2] = label
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), folder / f"sub-{person}_seg-vert_msk.nii.gz")
    found = verse_sources(tmp_path)
    assert [(s.person, s.level, s.labels) for s in found] == [("verse007", "L1", (20,)), ("verse009", "L1", (20,))]
    with pytest.raises(FileNotFoundError, match="label 18"):
        verse_sources(tmp_path, "T11")


def test_nobody_who_tests_the_artifacts_was_in_them():
    assert len({source.name for source in HELD_OUT_SOURCES}) == len(HELD_OUT_SOURCES) == 14
    assert not {source.person for source in HELD_OUT_SOURCES} & {source.person for source in SOURCES}

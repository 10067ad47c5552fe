"""A list of own cases is checked before anything is trained with it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from training.__main__ import main
from training.artifacts.bundle_folder import bundle_folder
from training.artifacts.data_folder import data_folder

EXAMPLE = data_folder() / "ct" / "totalsegmentator_example"
ALONE = data_folder() / "shapes" / "verse005" / "L1.nii.gz"
FOLLOWS = "ct.nii.gz,vertebrae.nii.gz,totalsegmentator_v2"


def checked(folder: Path, lines: list[str]) -> int:
    """Check a list; return the exit status."""
    (folder / "cases.csv").write_text("\n".join(["ct,mask,convention,level,person", *lines]))
    try:
        main(["check-cases", "--manifest", str(folder / "cases.csv")])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """Return a folder with a real CT with its label map, and the mask of another person's L1."""
    if not (EXAMPLE.exists() and ALONE.exists()):
        pytest.skip("no real data here")
    for path in (EXAMPLE / "ct.nii.gz", EXAMPLE / "vertebrae.nii.gz", ALONE):
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def test_whole_vertebrae_on_their_ct_are_cases(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(cases, [f"{FOLLOWS},L1,a", ",L1.nii.gz,,L1,b"]) == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert first == "line 2: a L1: 57.7 cm³, with CT"
    assert second == "line 3: b L1: 52.2 cm³, without CT"
    assert last.endswith("2 cases of 2 people; none of them cannot be trained with")


def test_each_line_says_what_is_wrong_with_its_mask(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = [
        "ct.nii.gz,vertebrae.nii.gz,totalsegmentator_v1,L1,a",
        f"{FOLLOWS},T12,a",
        "ct.nii.gz,L1.nii.gz,,L1,b",
        "vertebrae.nii.gz,L1.nii.gz,,L1,b",
    ]
    assert checked(cases, wrong) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert "has no voxel 22, which is L1; it holds 26, 27, 28" in lines[0]
    assert "not whole in the CT" in lines[1]
    assert "different places of the world" in lines[2]
    assert "does not look like a CT in Hounsfield units" in lines[3]
    assert last.endswith("4 of them cannot be trained with")


def test_a_convention_that_the_mask_contradicts_is_named(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = nib.load(cases / "vertebrae.nii.gz")
    verse = np.asarray(whole.dataobj).astype(np.uint8)
    verse[verse > 0] -= 6  # TotalSegmentator's L5 to T12, upwards from 27, as VerSe's T11 to L4, downwards
    nib.save(nib.Nifti1Image(verse, whole.affine), cases / "wrong.nii.gz")
    assert checked(cases, ["ct.nii.gz,wrong.nii.gz,verse,L3,a"]) == 1
    assert "L3: the mask does not follow verse: 2" in capsys.readouterr().out


def test_the_bundle_is_that_of_the_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VERTEBRA_MODELS_DIR", str(tmp_path))
    assert bundle_folder() == tmp_path / "l1"

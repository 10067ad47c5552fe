"""Masks that correct outlines become cases: a line of the manifest for each level whose name is known."""

from __future__ import annotations

import gzip
from hashlib import sha256
from pathlib import Path

import pytest

from app.contract.numbering import Numbering
from tests.app.reports import report
from workers.corrections import MANIFEST, keep_correction

NUMBERING = Numbering(
    label=31, convention="totalsegmentator_v2", chosen_by="labels", level="L1",
    possible={"totalsegmentator_v2": "L1"}, contradicted=False, reason="R",
)  # fmt: skip


def files(folder: Path) -> tuple[Path, Path]:
    (folder / "ct").write_bytes(gzip.compress(b"ct"))
    (folder / "mask").write_bytes(b"mask")
    return folder / "ct", folder / "mask"


def test_each_level_of_known_name_is_a_case(tmp_path: Path) -> None:
    levels = [report(vertebra=level, segmentation=None, numbering=numbering).model_dump(mode="json")
              for level, numbering in (("L1", NUMBERING), ("L2", None), ("unknown", None))]  # fmt: skip
    folder = tmp_path / "kept"
    keep_correction(folder, "j1", files(tmp_path), levels)
    keep_correction(folder, "j2", files(tmp_path), levels[:1])
    keep_correction(folder, "j3", files(tmp_path), levels[2:])
    heading, *lines = (folder / MANIFEST).read_text().splitlines()
    person = lines[0].split(",")[4]
    assert heading == "ct,mask,convention,level,person,label"
    assert lines == [
        f"j1/ct.nii.gz,j1/mask.nii,totalsegmentator_v2,L1,{person},31",
        f"j1/ct.nii.gz,j1/mask.nii,,L2,{person},",
        f"j2/ct.nii.gz,j2/mask.nii,totalsegmentator_v2,L1,{person},31",
    ]
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, "j1", "j2"]
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("*")} == {0}


def test_of_dicom_files_the_volume_is_kept_that_was_made_of_them(tmp_path: Path) -> None:
    """Training reads NIfTI, and the files name the patient. The person is still told by what was sent."""
    volume, outline, (sent, mask) = tmp_path / "volume", tmp_path / "outline", files(tmp_path)
    volume.write_bytes(b"a volume without a name")
    outline.write_bytes(b"an outline without a name")
    for content in (b"PK\x03\x04 Doe^Jane", b"\0" * 128 + b"DICM Doe^Jane"):
        sent.write_bytes(content)
        done = [report().model_dump(mode="json")]
        keep_correction(tmp_path / "kept", sha256(content).hexdigest(), (sent, mask), done, (volume, outline))
    lines = (tmp_path / "kept" / MANIFEST).read_text().splitlines()[1:]
    for job, line in zip(sorted(line.partition("/")[0] for line in lines), sorted(lines), strict=True):
        assert line.startswith(f"{job}/ct.nii,{job}/mask.nii,")
        assert f",{job[:16]}," in line
        assert (tmp_path / "kept" / job / "ct.nii").read_bytes() == volume.read_bytes()
        assert (tmp_path / "kept" / job / "mask.nii").read_bytes() == outline.read_bytes()
    assert len(lines) == 2


def test_without_a_folder_nothing_is_kept_and_a_full_disk_does_no_harm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = [report().model_dump(mode="json")]
    keep_correction(None, "j1", files(tmp_path), one)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct", "mask"]
    (tmp_path / "file").touch()
    keep_correction(tmp_path / "file", "j1", files(tmp_path), one)
    assert "the correction cannot be kept" in caplog.text

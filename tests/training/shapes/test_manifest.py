"""A CSV file of own cases as the source list of the trainings."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from app.contract.numbering import Numbering
from tests.app.reports import report
from training.__main__ import main
from training.segmentation.data.labelled_ct_files import write_labelled_cts
from training.segmentation.data.labelled_cts import read_labelled_ct
from training.segmentation.data.manifest_cts import manifest_cts
from training.shapes.manifest import ManifestError, manifest_sources, read_manifest
from training.shapes.sources import ANY_LABEL
from workers.corrections import MANIFEST, keep_correction

HEADING = "ct,mask,convention,level,person,label\n"


def volumes(folder: Path) -> None:
    """Write a CT of two blocks of bone, a mask with VerSe's L1 and L2, and a binary one of the lower block."""
    voxels = np.zeros((30, 30, 60), np.int16)
    voxels[4:26, 4:26, 4:26], voxels[4:26, 4:26, 34:56] = 21, 20
    for name, data in (("ct", 400 * (voxels > 0) - 50), ("mask", voxels), ("binary", (voxels == 21).astype(np.int16))):
        nib.save(nib.Nifti1Image(data.astype(np.int16), np.eye(4)), folder / f"{name}.nii.gz")


def listed(folder: Path, lines: str, heading: str = HEADING) -> Path:
    (folder / "cases.csv").write_text(heading + lines)
    return folder / "cases.csv"


def test_a_list_names_vertebrae_by_convention_by_label_or_alone(tmp_path: Path) -> None:
    volumes(tmp_path)
    path = listed(
        tmp_path,
        "ct.nii.gz,mask.nii.gz,verse,L1,p1,\nct.nii.gz,mask.nii.gz,,L2,p1,21\n,binary.nii.gz,,L2,p2,\n"
        ",binary.nii.gz,,L2,p2,\n",
    )
    sources = manifest_sources(path)
    assert [(s.name, s.labels) for s in sources] == [
        ("p1_L1", (20,)), ("p1_L2", (21,)), ("p2_L2", ANY_LABEL), ("p2_scan2_L2", ANY_LABEL),
    ]  # fmt: skip
    assert [case.level for case in read_manifest(path, ("L1",))] == ["L1"]
    with pytest.raises(ManifestError, match="has no CT"):
        manifest_cts(path)
    (ct,) = manifest_cts(path, ("L1",))
    assert (ct.person, ct.labels, ct.whole) == ("p1", {"L1": (20,)}, ("L1",))


def test_the_cts_of_a_list_become_files_that_the_networks_learn_from(tmp_path: Path) -> None:
    volumes(tmp_path)
    path = listed(
        tmp_path,
        "ct.nii.gz,mask.nii.gz,verse,L1,p1,\nct.nii.gz,mask.nii.gz,verse,L2,p1,\nct.nii.gz,binary.nii.gz,,L2,p1,\n",
    )
    both, one = manifest_cts(path)
    assert both.name != one.name  # one person, one CT, two masks
    files = write_labelled_cts((both, one), tmp_path / "labelled")
    found = sorted((read_labelled_ct(file) for file in files), key=lambda ct: len(ct.levels))
    assert [(ct.person, ct.levels) for ct in found] == [("p1", ("L2",)), ("p1", ("L1", "L2"))]
    np.testing.assert_allclose(found[1].centres[:, 2], [44.5, 14.5], atol=2.0)
    assert write_labelled_cts((both, one), tmp_path / "labelled") == files


def test_what_the_service_keeps_is_such_a_list(tmp_path: Path) -> None:
    volumes(tmp_path)
    numbering = Numbering(
        label=20, convention="verse", chosen_by="labels", level="L1", possible={"verse": "L1"}, contradicted=False,
        reason="R",
    )  # fmt: skip
    for job, sent in (("j1", "mask.nii.gz"), ("j2", "mask.nii.gz")):
        for part, name in (("ct", "ct.nii.gz"), ("mask", sent)):
            (tmp_path / part).write_bytes((tmp_path / name).read_bytes())
        done = report(numbering=numbering, segmentation=None).model_dump(mode="json")
        keep_correction(tmp_path / "kept", job, (tmp_path / "ct", tmp_path / "mask"), [done])
    cases = read_manifest(tmp_path / "kept" / MANIFEST)
    assert [(case.level, case.labels) for case in cases] == [("L1", (20,))] * 2
    assert len({case.person for case in cases}) == 1
    assert [ct.whole for ct in manifest_cts(tmp_path / "kept" / MANIFEST)] == [("L1",)] * 2


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("ct.nii.gz,nothing.nii.gz,verse,L1,p,\n", "line 2: there is no file"),
        (",,verse,L1,p,\n", "`mask` and `person`"),
        (",mask.nii.gz,verse,L1,,\n", "`mask` and `person`"),
        (",mask.nii.gz,verse,T1,p,\n", "`level` should be one of"),
        (",mask.nii.gz,versed,L1,p,\n", "`convention` should be one of verse, totalsegmentator_v2"),
        (",mask.nii.gz,verse,L1,a/b,\n", "`person` names files, so it may have no slash"),
        (",mask.nii.gz,,L1,p,x\n", "`label` should be a whole number"),
        ("", "0 cases"),
    ],
)
def test_a_line_that_is_no_case_is_named(tmp_path: Path, lines: str, why: str) -> None:
    volumes(tmp_path)
    with pytest.raises(ManifestError, match=why):
        read_manifest(listed(tmp_path, lines))


def test_every_wrong_line_is_told_at_once_without_a_traceback(tmp_path: Path) -> None:
    volumes(tmp_path)
    path = listed(tmp_path, "ct.nii,mask.nii.gz,verse,L1,p,\n,mask.nii.gz,verse,L1,p,\n,mask.nii.gz,verse,S1,p,\n")
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "--manifest", str(path), "--work", str(tmp_path / "work")])
    first, second = str(ended.value.code).splitlines()
    assert f"{path}, line 2: there is no file" in first
    assert f"{path}, line 4: `level` should be one of" in second


def test_a_list_without_cts_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    volumes(tmp_path)
    path = listed(tmp_path, ",mask.nii.gz,verse,L1,p,\n")
    own = ["--manifest", str(path), "--work", str(tmp_path / "work")]
    with pytest.raises(SystemExit, match="has no CT, and the networks learn from CTs"):
        main(["segmentation", *own, "--networks", "bifusion", "--anatomy", "1"])
    assert not list((tmp_path / "work").rglob("*.*"))


def test_a_list_with_semicolons_is_told_apart(tmp_path: Path) -> None:
    path = listed(tmp_path, "", HEADING.replace(",", ";"))
    with pytest.raises(ManifestError, match=r"line 1 has ct;mask;convention.*Commas separate"):
        read_manifest(path)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="there is no such file"):
        read_manifest(tmp_path / "cases.csv")


def test_a_list_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_bytes(HEADING.encode("utf-16"))
    with pytest.raises(ManifestError, match="no CSV file in UTF-8"):
        read_manifest(tmp_path / "cases.csv")


def test_a_list_without_a_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="level, person are missing"):
        read_manifest(listed(tmp_path, "", "ct,mask,convention\n"))


def test_the_help_names_the_list_and_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("simulate", "tangent", "segmentation"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        told = " ".join(capsys.readouterr().out.split())
        assert "--manifest MANIFEST" in told
        assert "ct, mask, convention, level, person" in told
        assert "--level" in told

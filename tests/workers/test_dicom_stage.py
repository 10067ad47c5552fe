"""DICOM is read in a process of its own, so whatever a decoder does there ends as a problem of the job."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import JPEGLosslessSV1

from app.contract.dicom_series import series_id
from app.contract.errors import CorruptFile, OutOfMemory, SeriesAmbiguous
from app.contract.params import JobParams
from tests.workers.dicom.dicom_files import PATIENT, SERIES, encoded, file_bytes, series, zipped
from workers import dicom_child
from workers.dicom.source_dicom import SourceDicom
from workers.dicom_stage import read_dicom_upload
from workers.imaging.volume import read_ct

AFFINE = np.diag([-0.8, -0.8, 2.0, 1.0])
HU = np.random.default_rng(1).integers(-1000, 900, (40, 38, 5)).astype(np.int16)


def nobody(share: float) -> None:
    assert 0.0 <= share <= 1.0


def test_a_study_is_read_in_another_process(tmp_path: Path) -> None:
    told: list[float] = []
    upload = zipped(tmp_path / "a.zip", series(HU, AFFINE))
    got = read_dicom_upload(upload, JobParams(series_uid=SERIES), tmp_path, told.append)
    assert got is not None
    np.testing.assert_array_equal(read_ct(got.ct).voxels, HU)
    assert got.about.reason == "asked for by series_uid"
    assert len(SourceDicom.load(got.source).headers) == 5
    assert told == [0.2, 0.4, 0.6, 0.8, 1.0]


def test_a_nifti_file_is_left_to_its_own_reader(tmp_path: Path) -> None:
    (tmp_path / "ct").write_bytes(b"\x1f\x8b")
    assert read_dicom_upload(tmp_path / "ct", JobParams(), tmp_path, nobody) is None


def test_a_decoder_that_ends_its_process_ends_no_worker(tmp_path: Path) -> None:
    """GDCM calls `terminate` where the Huffman tables of a lossless JPEG are not there."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for n, image in enumerate(series(HU, AFFINE)):
            data = bytearray(file_bytes(encoded(image, JPEGLosslessSV1)))
            data[data.index(b"\xff\xc4", data.index(b"\xff\xd8\xff")) + 1] = 0
            archive.writestr(f"{n}.dcm", data)
    with pytest.raises(CorruptFile):
        read_dicom_upload(tmp_path / "a.zip", JobParams(), tmp_path, nobody)


def test_problems_come_from_the_other_process_with_all_they_say(tmp_path: Path) -> None:
    images = [*series(HU, AFFINE, SeriesInstanceUID="1.2.1"), *series(HU, AFFINE, SeriesInstanceUID="1.2.2")]
    with pytest.raises(SeriesAmbiguous) as caught:
        read_dicom_upload(zipped(tmp_path / "a.zip", images), JobParams(), tmp_path, nobody)
    problem = caught.value.problem()
    assert [each["id"] for each in problem["series"]] == [series_id("1.2.1"), series_id("1.2.2")]
    assert problem["got"] == "2 that fit equally"
    assert PATIENT not in str(problem)


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_a_job_that_is_interrupted_ends_the_other_process(tmp_path: Path) -> None:
    before, seen = children(), set()

    def stop(share: float) -> None:
        seen.update(children() - before)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_dicom_upload(zipped(tmp_path / "a.zip", series(HU, AFFINE)), JobParams(), tmp_path, stop)
    assert len(seen) == 1
    assert not seen & children()


def test_faults_are_told_without_what_they_quote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError(PATIENT)

    monkeypatch.setattr(dicom_child, "read_dicom", fail)
    answer = dicom_child.answer(dicom_child.read_ct, (tmp_path / "a.zip", tmp_path), None)
    assert answer["fault"].startswith("ValueError at ")
    assert PATIENT not in str(answer)

    def exhaust(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(dicom_child, "read_dicom", exhaust)
    assert dicom_child.answer(dicom_child.read_ct, (tmp_path / "a.zip", tmp_path), None)["slug"] == OutOfMemory.slug

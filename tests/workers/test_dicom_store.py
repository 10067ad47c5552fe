"""DICOM results go back into the study of the CT in a real archive, and are fetched from there again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from pydicom import dcmread

from app.contract.params import JobParams
from app.jobs.settings import Settings
from tests.app.reports import report
from tests.workers.dicom.dicom_files import PATIENT, STUDY, file_bytes, series
from tests.workers.dicom_results.orthanc import PASSWORD, USER, running_orthanc
from tests.workers.dicom_results.small_source import HU, MASK, TILTED, slices_source
from tests.workers.odd_server import OddHandler, running_server
from workers import dicom_store
from workers.dicom_results.contents import Stressed
from workers.dicom_results.files import write_dicom_files
from workers.dicom_store import store_results

PDF = b"%PDF-1.4 a page"


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("results")
    contents = Stressed(report(), MASK, TILTED, PDF, datetime(2026, 11, 26, tzinfo=UTC))
    assert write_dicom_files(folder, slices_source(), lambda: contents, JobParams().wants) == []
    (folder / "report.json").write_text("{}")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Iterator[str]:
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as url:
        for image in series(HU, TILTED):
            httpx.post(f"{url}/instances", content=file_bytes(image)).raise_for_status()
        yield url


def settings(url: str) -> Settings:
    return Settings(dicomweb_servers={"pacs": url})


def of_modality(archive: str, modality: str) -> list[str]:
    """The SOPInstanceUIDs of a modality in the study."""
    query = {"Modality": modality, "StudyInstanceUID": STUDY}
    found = httpx.get(f"{archive}/dicom-web/instances", params=query, headers={"Accept": "application/dicom+json"})
    return [item["00080018"]["Value"][0] for item in found.raise_for_status().json()]


def fetched(archive: str, uid: str):
    identifier = httpx.post(f"{archive}/tools/lookup", content=uid).raise_for_status().json()[0]["ID"]
    return dcmread(BytesIO(httpx.get(f"{archive}/instances/{identifier}/file").raise_for_status().content))


def test_the_results_are_in_the_study_with_the_ct_and_as_they_were_made(archive: str, files: list[Path]) -> None:
    for _ in range(2):  # a second attempt of the job stores the same objects, and they are there once
        assert store_results("pacs", files, settings(f"{archive}/dicom-web/")) == []
        assert [len(of_modality(archive, kind)) for kind in ("CT", "SEG", "SR", "DOC")] == [MASK.shape[2], 1, 1, 1]
    (study,) = httpx.get(f"{archive}/dicom-web/studies", headers={"Accept": "application/dicom+json"}).json()
    assert study["00100010"]["Value"] == [{"Alphabetic": PATIENT}]
    made = {dcmread(path).Modality: dcmread(path) for path in files if path.suffix == ".dcm"}
    for kind in ("SEG", "SR", "DOC"):
        (uid,) = of_modality(archive, kind)
        back = fetched(archive, uid)
        assert back.StudyInstanceUID == STUDY
        if kind == "SEG":
            np.testing.assert_array_equal(back.pixel_array, made[kind].pixel_array)
            assert back.pixel_array.sum() == MASK.voxels.sum()
        elif kind == "DOC":
            assert bytes(back.EncapsulatedDocument).startswith(PDF)
        else:
            assert back.ContentSequence == made[kind].ContentSequence


def test_what_an_archive_refuses_is_a_warning_without_the_password(archive, files, caplog, monkeypatch) -> None:
    monkeypatch.setattr(dicom_store, "PAUSES_S", (0.0, 0.0))
    (warning,) = store_results("pacs", files, settings(f"{archive.replace(PASSWORD, 'wrong')}/dicom-web"))
    assert (
        warning == "The DICOM results were not stored in pacs: it answered 401. They are among the results of the job."
    )
    broken = files[0].with_name("broken.dcm")
    broken.write_bytes(b"no DICOM")
    (warning,) = store_results("pacs", [broken], settings(f"{archive}/dicom-web"))
    assert "were not stored in pacs: it " in warning
    broken.unlink()
    (warning,) = store_results("pacs", files, settings("http://127.0.0.1:9/dicom-web"))
    assert "it does not answer (ConnectError)" in warning
    for secret in (USER, PASSWORD, "wrong", "Doe"):
        assert secret not in caplog.text


def test_without_a_server_or_dicom_results_nothing_is_sent(files: list[Path]) -> None:
    assert store_results(None, files, Settings()) == []
    assert "no such server" in store_results("other", files, settings("http://127.0.0.1:9"))[0]
    (warning,) = store_results(
        "pacs", [path for path in files if path.suffix == ".json"], settings("http://127.0.0.1:9")
    )
    assert warning.startswith("Nothing was stored in pacs: ")


@contextmanager
def server(answers: list[tuple[int, bytes]], encoding: str = "identity", pause_s: float = 0.0) -> Iterator[str]:
    """Answer each request with the next status and body; the last one again and again.

    A body is sent in one piece, or byte for byte with a pause before each.
    """

    class Handler(OddHandler):
        def do_POST(self) -> None:  # noqa: N802 - the name of http.server
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send(status, {"Content-Length": str(len(body)), "Content-Encoding": encoding}, body, pause_s)

    with running_server(Handler) as url:
        yield url


SOME_FAILED = json.dumps({"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [272]}}]}}).encode()


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([(503, b""), (200, b"{}")], None),
        ([(503, b"")], "it answered 503"),
        ([(202, SOME_FAILED)], "it refused 1 of 3 objects, reason 0110"),
        ([(409, SOME_FAILED)], "it refused 1 of 3 objects, reason 0110"),
        ([(302, b"")], "it answered 302"),
        *(
            ([(200, body)], dicom_store.STRANGE)
            for body in (
                b"<html>",
                b'{"00081198": {"Value": [{"00081197": {"Value": []}}]}}',
                b'{"00081198": {"Value": [{"00081197": {"Value": [%d]}}]}}' % (1 << 40),
                b'{"00081198": {"Value": [{}, {}, {}, {}]}}',
                b'{"00081198": []}',
                b"[" * 100_000,
                b" " * (dicom_store.MAX_ANSWER_BYTES + 1),
            )
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_answers_of_other_archives(files, monkeypatch, answers, reason) -> None:
    monkeypatch.setattr(dicom_store, "PAUSES_S", (0.0, 0.0))
    with server(answers) as url:
        warnings = store_results("pacs", files, settings(url))
    assert warnings == ([] if reason is None else [dicom_store.NOT_STORED.format(name="pacs", reason=reason)])


def test_an_answer_that_cannot_be_decoded_or_never_ends_is_a_warning(files, monkeypatch) -> None:
    monkeypatch.setattr(dicom_store, "PAUSES_S", (0.0, 0.0))
    with server([(200, b"no gzip")], encoding="gzip") as url:
        (warning,) = store_results("pacs", files, settings(url))
    assert dicom_store.STRANGE in warning
    monkeypatch.setattr(dicom_store, "TIMEOUTS_IN_ALL", 0.05)
    with server([(200, b" " * 300)], pause_s=0.01) as url:
        (warning,) = store_results("pacs", files, settings(url))
    assert "it takes too long" in warning

"""A CT is fetched from a real archive, and hostile ones are refused."""

from __future__ import annotations

import json
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import httpx
import pytest

from app.contract.dicom_series import series_id
from app.contract.errors import VertebraError
from app.jobs.blobs import BlobStore
from app.jobs.ct_reference import CtReference
from app.jobs.settings import Settings
from tests.workers.dicom.dicom_files import STUDY, file_bytes, series
from tests.workers.dicom_results.orthanc import PASSWORD, USER, running_orthanc
from tests.workers.dicom_results.small_source import HU, TILTED
from tests.workers.odd_server import OddHandler, running_server
from workers import dicomweb_retrieval
from workers.dicom.read_dicom import read_dicom
from workers.dicomweb_retrieval import Retrieval

TENANT = "a"
THICK, OTHER = "1.2.826.0.1.3680043.8.498.7", "1.2.826.0.1.3680043.8.498.8"


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the DICOMweb address of an archive with two CT series and one of MR, and the files of the first."""
    images = series(HU, TILTED)
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as url:
        files = [file_bytes(image) for image in images]
        for data in files:
            httpx.post(f"{url}/instances", content=data).raise_for_status()
        for uid, modality, kept in ((THICK, "CT", images[:3]), (OTHER, "MR", images[:1])):
            for number, image in enumerate(kept):
                image.SeriesInstanceUID, image.Modality = uid, modality
                image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"{uid}.{number + 1}"
                httpx.post(f"{url}/instances", content=file_bytes(image)).raise_for_status()
        yield f"{url}/dicom-web", files


def settings(url: str, **limits: Any) -> Settings:
    return Settings(dicomweb_servers={"pacs": url}, dicomweb_sources=["pacs"], **limits)


def fetch(
    url: str, folder: Path, series_uid: str | None = None, asked: str | None = None, **limits: float
) -> list[bytes]:
    """The files that arrive in the storage."""
    blobs, reference = BlobStore(str(folder)), CtReference(archive="pacs", study=STUDY, series=series_uid)
    info = Retrieval(reference, asked, TENANT, settings(url, **limits)).fetch(lambda: blobs.writer("jobs/1/input/ct"))
    assert info.size == blobs.size("jobs/1/input/ct")
    with zipfile.ZipFile(folder / "jobs/1/input/ct") as archive:
        return [archive.read(name) for name in archive.namelist()]


def test_study_and_series_arrive_as_the_archive_has_them(archive, tmp_path: Path) -> None:
    url, files = archive
    first = series(HU, TILTED)[0].SeriesInstanceUID
    assert sorted(fetch(url, tmp_path, series_uid=first)) == sorted(files)
    assert sorted(fetch(f"{url}/", tmp_path, asked=series_id(first))) == sorted(files)
    assert len(fetch(url, tmp_path)) == len(files) + 3
    folder = tmp_path / "read"
    folder.mkdir()
    about = read_dicom(tmp_path / "jobs/1/input/ct", folder, None).about
    assert (about.series.id, about.reason) == (series_id(first), "the only CT series")
    assert [other.id for other in about.others] == [series_id(THICK)]


def test_what_the_archive_does_not_have_or_give_is_named_without_secrets(archive, tmp_path: Path, caplog) -> None:
    url, _ = archive
    absent = CtReference(archive="pacs", study="1.2.3")
    for reference in (absent, absent.model_copy(update={"series": "1.2.4"})):
        with pytest.raises(VertebraError) as refused:
            Retrieval(reference, None, TENANT, settings(url)).fetch(lambda: BlobStore(str(tmp_path)).writer("x"))
        assert refused.value.slug == "study_not_found"
    with pytest.raises(VertebraError) as refused:
        fetch(url, tmp_path, asked="0" * 16)
    assert refused.value.slug == "series_absent"
    ids = {series_id(uid) for uid in (series(HU, TILTED)[0].SeriesInstanceUID, THICK, OTHER)}
    listed = refused.value.extra["series"]
    assert {one["id"] for one in listed} == ids
    assert [one["left_out"] for one in listed] == [None, None, "it is no CT"]
    with pytest.raises(VertebraError) as refused:
        fetch(url.replace(PASSWORD, "wrong"), tmp_path)
    assert (refused.value.slug, refused.value.got) == (
        "archive_refused", "it answered 401 to the credentials of the settings",
    )  # fmt: skip
    with pytest.raises(VertebraError) as refused:
        fetch(url, tmp_path, max_upload_bytes=20_000)
    assert refused.value.slug == "study_too_large"
    assert {one["id"] for one in refused.value.extra["series"]} == ids
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    for secret in (USER, PASSWORD, STUDY, "1.2.3"):
        assert secret not in caplog.text + json.dumps(refused.value.problem())


@contextmanager
def server(
    answers: dict[str, tuple[int, dict[str, str], bytes]], pause_s: float = 0.0
) -> Iterator[tuple[str, list[str]]]:
    """Answer each path's end with a status, headers and a body, byte for byte with a pause where there is one.

    Yields the address, and the list of the paths that are asked for.
    """
    paths: list[str] = []

    class Handler(OddHandler):
        def do_GET(self) -> None:  # noqa: N802 - the name of http.server
            paths.append(self.path)
            answer = next(
                (answer for end, answer in answers.items() if self.path.partition("?")[0].endswith(end)), (404, {}, b"")
            )
            self.send(*answer, pause_s)

    with running_server(Handler) as url:
        yield url, paths


def listed(*uids: str) -> tuple[int, dict[str, str], bytes]:
    items = [{"0020000E": {"Value": [uid]}, "00080060": {"Value": ["CT"]}} for uid in uids]
    return 200, {"Content-Type": "application/dicom+json"}, json.dumps(items).encode()


RELATED = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
UTF_8 = f'{RELATED["Content-Type"]}; x="→"'.encode().decode("latin-1")
"""As the server here writes it: the bytes of UTF-8."""
ONE_PART = b"--b\r\nContent-Type: application/dicom\r\n\r\nabc\r\n--b--"


@pytest.mark.parametrize(
    ("answers", "slug", "got"),
    [
        ({"/series": (200, {}, b"<html>")}, "archive_refused", "its answer is not what DICOMweb says"),
        ({"/series": (200, {}, b"[" * 100_000)}, "archive_refused", "its answer is not"),
        ({"/series": (200, {}, b" " * ((4 << 20) + 1))}, "archive_refused", "its answer is not"),
        ({"/series": (200, {"Content-Encoding": "gzip"}, b"[]")}, "archive_refused", "its answer is not"),
        ({"/series": listed("1.2/../../../secret")}, "archive_refused", "its answer is not"),
        ({"/series": (200, {}, b"[]")}, "study_not_found", "none"),
        ({"/series": (302, {"Location": "http://169.254.169.254/"}, b"")}, "archive_refused", "it answered 302"),
        ({"/series": (503, {}, b"")}, "archive_unavailable", "it answered 503"),
        ({"/series": listed("1.2")}, "study_not_found", "none"),
        ({"/series": listed("1.2"), "/1.2": (200, {}, ONE_PART)}, "archive_refused", "its answer is not"),
        (
            {"/series": listed("1.2"), "/1.2": (200, {"Content-Type": UTF_8}, ONE_PART)},
            "archive_refused",
            "its answer is not",
        ),
        (
            {"/series": listed("1.2"), "/1.2": (200, RELATED, ONE_PART[:-9])},
            "archive_unavailable",
            "its answer breaks off",
        ),
        ({"/series": listed("1.2"), "/1.2": (200, RELATED, b"no parts")}, "archive_unavailable", "its answer is dam"),
        ({"/series": listed("1.2"), "/1.2": (200, RELATED, b"x" * 3000)}, "study_too_large", "more"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_strange_archives(tmp_path: Path, monkeypatch, answers, slug, got) -> None:
    monkeypatch.setattr(dicomweb_retrieval, "PAUSES_S", (0.0, 0.0))
    with server(answers) as (url, paths), pytest.raises(VertebraError) as refused:
        fetch(url, tmp_path, max_upload_bytes=2000)
    assert refused.value.slug == slug
    assert got in str(refused.value.got)
    assert len(paths) <= 3 * len(answers)
    assert all(path.startswith(f"/studies/{STUDY}/series") for path in paths)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_an_archive_that_the_tenant_may_no_longer_use_is_not_asked(tmp_path: Path) -> None:
    with server({}) as (url, paths):
        closed = settings(url, dicomweb_tenants={"pacs": ["b"]})
        reference = CtReference(archive="pacs", study=STUDY)
        with pytest.raises(VertebraError) as refused:
            Retrieval(reference, None, TENANT, closed).fetch(lambda: BlobStore(str(tmp_path)).writer("x"))
    assert (refused.value.slug, paths) == ("archive_refused", [])


@contextmanager
def slow_headers() -> Iterator[str]:
    """Send a few bytes of a header that would end after 30 s, each long before a timeout; yield the address."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # nobody waits any more
                self.request.sendall(b"HTTP/1.1 200 OK\r\n")
                for _ in range(600):
                    self.request.sendall(b"X: x\r\n")
                    time.sleep(0.05)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as tcp:
        tcp.daemon_threads = True
        threading.Thread(target=tcp.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{tcp.server_address[1]}"
        finally:
            tcp.shutdown()


def test_a_slow_archive_and_one_that_is_away_are_unavailable(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(dicomweb_retrieval, "PAUSES_S", (0.0, 0.0))
    with server({"/series": (200, {}, b" " * 300)}, pause_s=0.01) as (url, _), pytest.raises(VertebraError) as refused:
        fetch(url, tmp_path, dicomweb_retrieval_s=0.05)
    assert (refused.value.slug, refused.value.got) == ("archive_unavailable", "it needs more than 0.05 s")
    with slow_headers() as url, pytest.raises(VertebraError) as refused:
        fetch(url, tmp_path, dicomweb_retrieval_s=0.2)
    assert (refused.value.slug, refused.value.got) == ("archive_unavailable", "it needs more than 0.2 s")
    with pytest.raises(VertebraError) as refused:
        fetch("http://127.0.0.1:9", tmp_path)
    assert (refused.value.slug, refused.value.got) == ("archive_unavailable", "ConnectError")


def test_parts_are_kept_whole_and_a_passing_fault_is_tried_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(dicomweb_retrieval, "PAUSES_S", (0.0, 0.0))
    answers = {
        "/series": listed("1.2"),
        "/1.2": (200, RELATED, b"\r\n" + ONE_PART.replace(b"abc", b"a\r\n--c\r\n") + b"\r\n"),
    }
    with server(answers) as (url, _):
        assert fetch(url, tmp_path) == [b"a\r\n--c\r\n"]
        answers["/series"] = (503, {}, b"")
        monkeypatch.setattr(dicomweb_retrieval.time, "sleep", lambda _: answers.update({"/series": listed("1.2")}))
        assert len(fetch(url, tmp_path)) == 1

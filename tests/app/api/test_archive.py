"""All results as one ZIP file: the bytes of the list, signed as one result is, and never a part taken for the whole."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.api.zip_stream import ZipEntry, stream_zip
from app.jobs.settings import Settings
from tests.app.harness import check_problem, fail, finish, post

FILES = {
    "summary.json": (b'{"levels": []}', "application/json"),
    "L1/stress.vtu": (bytes(range(256)) * 9000, "application/vnd.vtk.vtu"),  # larger than one chunk of the storage
    "L2/report.json": (b"{}", "application/json"),
}


@pytest.fixture(scope="module")
def job(client: httpx.Client, settings: Settings) -> str:
    path = str(post(client, params={"vertebra": ["L1", "L2"]}).headers["location"])
    finish(settings, path.rsplit("/", 1)[1], FILES)
    return path


def blob(settings: Settings, job: str, name: str) -> Path:
    return settings.data_dir / "blobs" / "jobs" / job.rsplit("/", 1)[1] / "results-1" / name


def test_the_archive_holds_what_the_list_names(client: httpx.Client, job: str, tmp_path: Path) -> None:
    listed = client.get(f"{job}/results").json()
    assert listed["zip_url"] == f"{job}/results.zip"
    response = client.get(listed["zip_url"])
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"] == f'attachment; filename="{job[-32:-24]}-results.zip"'
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["SHA256SUMS", *FILES]
        for result in listed["results"]:
            data = archive.read(result["name"])
            assert data == FILES[result["name"]][0]
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (result["sha256"], result["size"])
        archive.extractall(tmp_path)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True, capture_output=True)
    assert client.get(listed["zip_url"]).content == response.content


def test_what_is_unchanged_is_not_sent_again(client: httpx.Client, job: str) -> None:
    head = client.head(f"{job}/results.zip")
    assert (head.status_code, head.content, "content-length" in head.headers) == (200, b"", False)
    tag = head.headers["etag"]
    for known in (tag, tag.removeprefix("W/"), "*"):
        assert client.get(f"{job}/results.zip", headers={"If-None-Match": known}).status_code == 304
    assert client.get(f"{job}/results.zip", headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_signed_link_opens_the_archive_alone(
    client: httpx.Client, stranger: httpx.Client, nobody: httpx.Client, job: str
) -> None:
    made = client.post(f"{job}/results.zip/link", params={"lasts_s": 60})
    assert made.status_code == 201
    link = made.json()["url"]
    assert link.startswith(f"{job}/results.zip?")
    assert nobody.get(link).content == client.get(f"{job}/results.zip").content
    query = link.partition("?")[2]
    check_problem(nobody.get(f"{job}/results/summary.json?{query}"), 403, "link_refused")
    check_problem(client.get(f"{job}/results/results.zip"), 404, "result_not_found")
    other = client.post(f"{job}/results/summary.json/link").json()["url"].partition("?")[2]
    check_problem(nobody.get(f"{job}/results.zip?{other}"), 403, "link_refused")
    check_problem(nobody.get(f"{job}/results.zip"), 401, "unauthorized")
    check_problem(stranger.get(f"{job}/results.zip"), 404, "job_not_found")
    check_problem(stranger.post(f"{job}/results.zip/link"), 404, "job_not_found")


def test_a_job_without_files_has_no_archive(client: httpx.Client, settings: Settings) -> None:
    path = post(client).headers["location"]
    for response in (client.get(f"{path}/results.zip"), client.post(f"{path}/results.zip/link")):
        check_problem(response, 409, "job_not_finished")
    problem = {"type": "/problems/vertebra_not_found", "title": "t", "status": 422, "detail": "d"}
    fail(settings, path.rsplit("/", 1)[1], problem, {"spine.png": (b"png", "image/png")})
    with zipfile.ZipFile(io.BytesIO(client.get(f"{path}/results.zip").content)) as archive:
        assert archive.namelist() == ["SHA256SUMS", "spine.png"]


def test_a_lost_file_is_a_problem_and_a_damaged_one_no_whole_archive(client: httpx.Client, settings: Settings) -> None:
    path = post(client).headers["location"]
    finish(settings, path.rsplit("/", 1)[1], FILES)
    blob(settings, path, "L2/report.json").write_bytes(b"[]")
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(f"{path}/results.zip")
    blob(settings, path, "L2/report.json").unlink()
    check_problem(client.get(f"{path}/results.zip"), 503, "storage_unavailable")


def test_the_archive_is_never_held_as_a_whole() -> None:
    mebibyte, parts = random.Random(0).randbytes(1 << 20), 32
    read = 0

    def chunks() -> Iterator[bytes]:
        nonlocal read
        for _ in range(parts):
            read += 1
            yield mebibyte

    largest, ahead, sent = 0, 0, io.BytesIO()
    for data in stream_zip([ZipEntry("a", chunks()), ZipEntry("b", chunks())], 0.0):
        largest, ahead = max(largest, len(data)), max(ahead, read)
        read = 0
        sent.write(data)
    assert largest < 2 * len(mebibyte)
    assert ahead <= 2  # chunks read before something of them is sent
    with zipfile.ZipFile(sent) as archive:
        assert [info.file_size for info in archive.infolist()] == [parts * len(mebibyte)] * 2
        assert archive.getinfo("a").date_time == (1980, 1, 1, 0, 0, 0)  # the earliest that the format has

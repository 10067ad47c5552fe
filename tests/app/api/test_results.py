from __future__ import annotations

import hashlib

import httpx
import pytest

from app.api.byte_range import parse_range
from app.contract.errors import RangeNotSatisfiable
from app.jobs.settings import Settings
from tests.app.harness import check_problem, fail, finish, post

DATA = bytes(range(256)) * 20_000
ETAG = f'"{hashlib.sha256(DATA).hexdigest()}"'


@pytest.fixture(scope="module")
def job(client: httpx.Client, settings: Settings) -> str:
    path = post(client).headers["location"]
    files = {"stress.vtu": (DATA, "application/vnd.vtk.vtu"), "viewer.html": (b"<p>", "text/html; charset=utf-8")}
    finish(settings, path.rsplit("/", 1)[1], files)
    return str(path)


def test_list(client: httpx.Client, job: str) -> None:
    body = client.get(f"{job}/results").json()
    first = body["results"][0]
    assert first == {
        "name": "stress.vtu",
        "media_type": "application/vnd.vtk.vtu",
        "size": len(DATA),
        "sha256": ETAG.strip('"'),
        "url": f"{job}/results/stress.vtu",
    }
    assert client.get(job).json()["links"]["results"] == f"{job}/results"


def test_download(client: httpx.Client, job: str) -> None:
    response = client.get(f"{job}/results/stress.vtu")
    assert response.content == DATA
    assert response.headers["etag"] == ETAG
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["content-type"] == "application/vnd.vtk.vtu"
    assert response.headers["content-disposition"] == 'attachment; filename="stress.vtu"'
    assert response.headers["x-content-type-options"] == "nosniff"


def test_results_of_several_levels_have_the_folder_of_their_level(client: httpx.Client, settings: Settings) -> None:
    path = post(client, params={"vertebra": ["L1", "L2"]}).headers["location"]
    text = "application/json"
    files = {"summary.json": (b"{}", text), "L1/report.json": (b"1", text), "L2/report.json": (b"22", text)}
    finish(settings, path.rsplit("/", 1)[1], files)
    listed = client.get(f"{path}/results").json()["results"]
    assert [result["url"] for result in listed] == [f"{path}/results/{name}" for name in files]
    for result in listed:
        assert client.get(result["url"]).content == files[result["name"]][0]
    whole = client.get(f"{path}/results/L2%2Freport.json")
    assert (whole.content, whole.headers["content-disposition"]) == (b"22", 'inline; filename="L2-report.json"')
    for absent in ("report.json", "L3/report.json", "L1"):
        check_problem(client.get(f"{path}/results/{absent}"), 404, "result_not_found")
    for no_name in ("L1/L2/report.json", "..%2Finput%2Fct", "L1%2F..%2Fsummary.json", "x/y"):
        check_problem(client.get(f"{path}/results/{no_name}"), 404, "not_found")
    link = client.post(f"{path}/results/L2/report.json/link").json()["url"]
    assert link.startswith(f"{path}/results/L2/report.json?")
    assert httpx.get(client.base_url.join(link)).content == b"22"
    other = link.replace("/L2/", "/L1/")
    check_problem(httpx.get(client.base_url.join(other)), 403, "link_refused")
    assert client.delete(path).status_code == 204
    check_problem(client.get(f"{path}/results/L2/report.json"), 404, "job_not_found")


def test_a_result_page_is_sandboxed(client: httpx.Client, job: str) -> None:
    headers = client.get(f"{job}/results/viewer.html").headers
    assert headers["content-disposition"].startswith("inline")
    assert headers["content-security-policy"].startswith("sandbox allow-scripts")


def test_a_browser_shows_the_page_to_print(client: httpx.Client, settings: Settings) -> None:
    path = post(client).headers["location"]
    finish(settings, path.rsplit("/", 1)[1], {"report.pdf": (b"%PDF-1.4", "application/pdf")})
    headers = client.get(f"{path}/results/report.pdf").headers
    assert headers["content-disposition"] == 'inline; filename="report.pdf"'
    assert headers["content-security-policy"] == "script-src 'none'; frame-ancestors 'none'"


def test_head(client: httpx.Client, job: str) -> None:
    response = client.head(f"{job}/results/stress.vtu")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == str(len(DATA))
    assert response.headers["etag"] == ETAG


@pytest.mark.parametrize("tag", [ETAG, "*", f'"other", W/{ETAG}'])
def test_not_modified(client: httpx.Client, job: str, tag: str) -> None:
    response = client.get(f"{job}/results/stress.vtu", headers={"If-None-Match": tag})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == ETAG


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [("bytes=0-9", 0, 10), ("bytes=5000000-", 5_000_000, len(DATA)), ("bytes=-7", len(DATA) - 7, len(DATA)),
     ("bytes=10-99999999", 10, len(DATA)), ("bytes=-99999999", 0, len(DATA)),
     (f"bytes=-{'9' * 5000}", 0, len(DATA)), (f"bytes=7-{'9' * 5000}", 7, len(DATA)),
     (f"bytes={'0' * 5000}3-9", 3, 10)],
)  # fmt: skip
def test_ranges(client: httpx.Client, job: str, header: str, start: int, stop: int) -> None:
    response = client.get(f"{job}/results/stress.vtu", headers={"Range": header})
    assert response.status_code == 206
    assert response.content == DATA[start:stop]
    assert response.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"


@pytest.mark.parametrize("headers", [{"Range": "bytes=0-1,4-5"}, {"Range": "lines=1-2"}, {"Range": "bytes=9-3"},
                                     {"Range": "bytes=0-9", "If-Range": '"old"'}])  # fmt: skip
def test_ranges_to_ignore(client: httpx.Client, job: str, headers: dict[str, str]) -> None:
    response = client.get(f"{job}/results/stress.vtu", headers=headers)
    assert (response.status_code, len(response.content)) == (200, len(DATA))


@pytest.mark.parametrize("header", [f"bytes={len(DATA)}-", "bytes=-0", f"bytes={'9' * 5000}-"])
def test_range_outside(client: httpx.Client, job: str, header: str) -> None:
    response = client.get(f"{job}/results/stress.vtu", headers={"Range": header})
    check_problem(response, 416, "range_not_satisfiable")
    assert response.headers["content-range"] == f"bytes */{len(DATA)}"


def test_range_of_an_empty_file() -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range("bytes=0-", 0)


def test_missing_and_foreign(client: httpx.Client, stranger: httpx.Client, job: str) -> None:
    body = check_problem(client.get(f"{job}/results/other.vtu"), 404, "result_not_found")
    assert "stress.vtu" in body["expected"]
    assert client.get(f"{job}/results/..%2f..%2finput%2fct").status_code == 404
    check_problem(stranger.get(f"{job}/results"), 404, "job_not_found")
    check_problem(stranger.get(f"{job}/results/stress.vtu"), 404, "job_not_found")


def test_the_pictures_of_a_failed_job(client: httpx.Client, stranger: httpx.Client, settings: Settings) -> None:
    path = post(client).headers["location"]
    problem = {"type": "/problems/vertebra_not_found", "title": "t", "status": 422, "detail": "d"}
    files = {"spine.png": (DATA, "image/png"), "candidate-1.png": (b"png", "image/png")}
    fail(settings, path.rsplit("/", 1)[1], problem, files)
    job = client.get(path).json()
    assert (job["state"], job["links"]["results"]) == ("failed", f"{path}/results")
    listed = client.get(f"{path}/results").json()["results"]
    assert [result["name"] for result in listed] == ["spine.png", "candidate-1.png"]
    url = f"{path}/results/spine.png"
    whole = client.get(url)
    assert (whole.content, whole.headers["etag"]) == (DATA, ETAG)
    assert whole.headers["content-disposition"] == 'inline; filename="spine.png"'
    assert client.head(url).headers["content-length"] == str(len(DATA))
    assert client.get(url, headers={"If-None-Match": ETAG}).status_code == 304
    part = client.get(url, headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, DATA[5:10])
    check_problem(client.get(f"{path}/results/stress.vtu"), 404, "result_not_found")
    check_problem(stranger.get(url), 404, "job_not_found")


def test_a_failed_job_without_files(client: httpx.Client, settings: Settings) -> None:
    path = post(client).headers["location"]
    fail(settings, path.rsplit("/", 1)[1], {"type": "/problems/bad_mask", "title": "t", "status": 422, "detail": "d"})
    assert client.get(path).json()["links"]["results"] is None
    assert "left no files" in check_problem(client.get(f"{path}/results"), 409, "job_not_finished")["detail"]
    check_problem(client.get(f"{path}/results/spine.png"), 409, "job_not_finished")


def test_not_finished(client: httpx.Client) -> None:
    path = post(client).headers["location"]
    check_problem(client.get(f"{path}/results"), 409, "job_not_finished")
    check_problem(client.get(f"{path}/results/stress.vtu"), 409, "job_not_finished")


def test_a_lost_file_is_an_error_not_a_cut_answer(client: httpx.Client, settings: Settings) -> None:
    path = post(client).headers["location"]
    job_id = path.rsplit("/", 1)[1]
    finish(settings, job_id, {"report.json": (b"{}", "application/json")})
    (settings.data_dir / "blobs" / "jobs" / job_id / "results-1" / "report.json").unlink()
    check_problem(client.get(f"{path}/results/report.json"), 503, "storage_unavailable")

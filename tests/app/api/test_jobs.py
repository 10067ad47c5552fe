from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.api import jobs
from app.api.job_json import job_from_row
from app.contract.job import Job
from app.contract.params import CONTRACT
from app.jobs.settings import Settings
from app.jobs.store import open_store
from tests.app.harness import check_problem, fail, new_row, post, stored_jobs, wait_for


def test_submit_stores_the_input_and_the_row_before_it_answers(client: httpx.Client, settings: Settings) -> None:
    response = post(client, b"a ct", b"a mask", {"mask_label": 31, "load_newton": 750})
    assert response.status_code == 202
    job = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
    assert job["state"] == "queued"
    assert job["params"] == {
        "vertebra": None,  # what the label stands for
        "mask_label": 31,
        "mask_convention": "auto",
        "seed_ras_mm": None,
        "series_uid": None,
        "load_newton": 750.0,
        "fidelity": "surrogate",
        "surrogate": "refined",
        "material": "homogeneous",
        "calibration": None,
        "density_law": "kopperdahl_2002",
        "load_case": "traction",
        "on_out_of_distribution": "flag",
        "on_uncertain_level": "refuse",
        "on_uncertain_outline": "flag",
        "deadline_s": None,
        "store_to": None,
        "results": None,
        "body_weight_kg": None,
        "moments": None,
        "strength": "linear",
    }
    assert job["input"]["ct"] == {"size": 4, "sha256": hashlib.sha256(b"a ct").hexdigest()}
    assert job["input"]["mask"]["size"] == 6
    stored = Path(settings.storage) / "jobs" / job["id"] / "input"
    assert (stored / "ct").read_bytes() == b"a ct"
    assert (stored / "mask").read_bytes() == b"a mask"
    assert client.get(job["links"]["self"]).json() == job


def test_a_ct_alone_is_accepted(client: httpx.Client) -> None:
    files = [("ct", ("c", b"ct")), ("params", (None, '{"seed_ras_mm": [1, -2.5, 300]}'))]
    job = client.post("/v1/jobs", files=files).json()
    assert job["input"]["mask"] is None
    assert job["params"]["seed_ras_mm"] == [1.0, -2.5, 300.0]


def test_parts_may_come_in_any_order(client: httpx.Client) -> None:
    files = [("params", (None, '{"mask_label": 20}')), ("mask", ("m", b"mask")), ("ct", ("c", b"ct"))]
    job = client.post("/v1/jobs", files=files).json()
    assert job["params"]["mask_label"] == 20
    assert job["input"]["ct"]["size"] == 2


@pytest.mark.parametrize(
    ("files", "status", "slug"),
    [
        ([("mask", ("m", b"mask"))], 400, "malformed_request"),
        ([("params", (None, '{"seed_ras_mm": [1, 2]}')), ("ct", ("c", b"ct"))], 422, "invalid_parameters"),
        ([("params", (None, '{"mask_label": 31}')), ("ct", ("c", b"ct"))], 422, "invalid_parameters"),
        (
            [("params", (None, '{"seed_ras_mm": [1, 2, 3]}')), ("ct", ("c", b"ct")), ("mask", ("m", b"mask"))],
            422,
            "invalid_parameters",
        ),
        ([("ct", ("c", b"")), ("mask", ("m", b"mask"))], 400, "empty_upload"),
        ([("ct", ("c", b"ct")), ("mask", ("m", b""))], 400, "empty_upload"),
        ([("ct", ("c", b"ct")), ("ct", ("c", b"ct")), ("mask", ("m", b"m"))], 400, "malformed_request"),
        ([("ct", ("c", b"ct")), ("mask", ("m", b"m")), ("other", (None, "x"))], 400, "malformed_request"),
        ([("ct", ("c", b"ct")), ("mask", ("m", b"m")), ("params", (None, "{"))], 422, "invalid_parameters"),
        ([("params", (None, '{"load": 3}')), ("ct", ("c", b"ct"))], 422, "invalid_parameters"),
        ([("params", (None, '{"load_newton": -3}')), ("ct", ("c", b"ct"))], 422, "invalid_parameters"),
        ([("params", (None, " " * 70_000)), ("ct", ("c", b"ct"))], 400, "malformed_request"),
        ([("ct", ("c", b"x" * (5 << 20))), ("mask", ("m", b"m"))], 413, "upload_too_large"),
    ],
)
def test_refused_submissions_leave_nothing(
    client: httpx.Client, settings: Settings, files: list, status: int, slug: str
) -> None:
    before = stored_jobs(settings)
    body = check_problem(client.post("/v1/jobs", files=files), status, slug)
    assert body["expected"]
    assert body["got"]
    assert stored_jobs(settings) == before


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\nnonsense"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="ct"\r\n\r\ncut off'),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=" + "b" * 5000, b"--b--"),
    ],
)
def test_unreadable_forms(client: httpx.Client, settings: Settings, content_type: str, content: bytes) -> None:
    before = stored_jobs(settings)
    check_problem(
        client.post("/v1/jobs", content=content, headers={"content-type": content_type}), 400, "malformed_request"
    )
    assert stored_jobs(settings) == before


def test_faulty_parameters_are_all_named(client: httpx.Client) -> None:
    body = check_problem(post(client, params={"load_newton": 1e9, "vertebra": "C1"}), 422, "invalid_parameters")
    assert {fault["field"] for fault in body["errors"]} == {"load_newton", "vertebra"}


def test_the_level_is_left_open_only_with_a_mask(client: httpx.Client) -> None:
    assert post(client, mask=None).json()["params"]["vertebra"] == "L1"
    assert post(client).json()["params"]["vertebra"] is None
    assert post(client, params={"vertebra": "L2"}).json()["params"]["vertebra"] == "L2"
    numbered = {"mask_convention": "totalspineseg"}
    assert post(client, params=numbered).json()["params"]["mask_convention"] == "totalspineseg"
    check_problem(post(client, mask=None, params=numbered), 422, "invalid_parameters")


def test_results_name_each_file_once(client: httpx.Client) -> None:
    asked = ["stress.vtu", "preview.png"]
    assert post(client, params={"results": asked}).json()["params"]["results"] == asked
    assert post(client, params={"results": []}).json()["params"]["results"] == []
    for faulty in (["stress.vtu", "stress.vtu"], ["stress.stl"], "stress.vtu"):
        body = check_problem(post(client, params={"results": faulty}), 422, "invalid_parameters")
        assert body["errors"][0]["field"].startswith("results")


def test_a_client_that_vanishes_leaves_nothing(client: httpx.Client, gateway: str, settings: Settings) -> None:
    before = stored_jobs(settings)
    address = urlsplit(gateway)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(
            b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nX-API-Key: key-a\r\nContent-Length: 3000000\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            b'--b\r\nContent-Disposition: form-data; name="ct"; filename="c"\r\n\r\n' + b"x" * 2_000_000
        )
        wait_for(lambda: stored_jobs(settings) != before, "upload under way")
    wait_for(lambda: stored_jobs(settings) == before, "removal")


def test_the_same_idempotency_key_makes_one_job(
    client: httpx.Client, stranger: httpx.Client, settings: Settings
) -> None:
    headers = {"Idempotency-Key": "order-66"}
    first = post(client, b"same", headers=headers).json()
    before = stored_jobs(settings)
    again = post(client, b"same", headers=headers)
    assert again.status_code == 202
    assert again.json()["id"] == first["id"]
    assert again.headers["location"] == first["links"]["self"]
    check_problem(post(client, b"different", headers=headers), 409, "idempotency_conflict")
    assert stored_jobs(settings) == before
    assert post(stranger, b"same", headers=headers).json()["id"] != first["id"]
    client.delete(first["links"]["self"])
    assert post(client, b"same", headers=headers).json()["id"] != first["id"]


def test_list_is_own_newest_first_and_pages(stranger: httpx.Client, client: httpx.Client) -> None:
    ids = [post(stranger).json()["id"] for _ in range(5)]
    foreign = post(client).json()["id"]
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = stranger.get("/v1/jobs", params=query).json()
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen[:5] == ids[::-1]
    assert len(seen) == len(set(seen))
    assert foreign not in seen
    assert stranger.get("/v1/jobs?state=failed").json()["jobs"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "state=deleted", "cursor=nonsense", "cursor=bnVsbA=="])
def test_list_refuses(client: httpx.Client, query: str) -> None:
    check_problem(client.get(f"/v1/jobs?{query}"), 422, "invalid_parameters")


def test_a_failed_job_says_why(client: httpx.Client, settings: Settings) -> None:
    job = post(client).json()
    reason = {"type": "/problems/bad_spacing", "title": "t", "status": 422, "detail": "d", "expected": "e", "got": "g"}
    fail(settings, job["id"], reason | {"labels_present": [1, 2]})
    job = client.get(job["links"]["self"]).json()
    assert job["state"] == "failed"
    assert job["error"]["labels_present"] == [1, 2]
    assert job["finished_at"] is not None
    check_problem(client.get(f"{job['links']['self']}/results"), 409, "job_not_finished")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_foreign_or_absent_jobs_are_not_found(client: httpx.Client, stranger: httpx.Client, method: str) -> None:
    own = post(client).json()["links"]["self"]
    check_problem(stranger.request(method, own), 404, "job_not_found")
    check_problem(stranger.request(method, f"/v1/jobs/{'0' * 32}"), 404, "job_not_found")
    assert client.get(own).status_code == 200


def test_delete_cancels_and_fences_out(client: httpx.Client, settings: Settings) -> None:
    job = post(client).json()
    store = open_store(settings)
    claim = store.claim(job["id"], "w")
    assert claim is not None
    assert client.delete(job["links"]["self"]).status_code == 204
    assert not store.progress(job["id"], claim.token, "solve", 50)
    assert not store.succeed(job["id"], claim.token, results=[], timings={}, bundle_version="x")
    assert store.claim(job["id"], "w") is None
    store.engine.dispose()
    check_problem(client.get(job["links"]["self"]), 404, "job_not_found")
    check_problem(client.delete(job["links"]["self"]), 404, "job_not_found")
    assert job["id"] not in stored_jobs(settings)


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/x", "/v1/jobs/x/results", "/v1/jobs/x/results/y", "/v1/models"])
def test_a_key_is_required(nobody: httpx.Client, path: str) -> None:
    response = nobody.get(path)
    check_problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"
    check_problem(nobody.get(path, headers={"X-API-Key": "key-ä".encode()}), 401, "unauthorized")


def test_an_upload_without_a_key_is_not_stored(nobody: httpx.Client, settings: Settings) -> None:
    before = stored_jobs(settings)
    check_problem(post(nobody), 401, "unauthorized")
    assert stored_jobs(settings) == before


def test_uploads_of_two_clients_do_not_block_each_other(client: httpx.Client, gateway: str) -> None:
    address = urlsplit(gateway)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(
            b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nX-API-Key: key-a\r\nContent-Length: 9000\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
        )
        assert post(client).status_code == 202
    assert json.loads(client.get("/v1/jobs?limit=1").text)["jobs"]


def test_a_job_stores_only_where_the_operator_lets_its_tenant(client: httpx.Client, stranger: httpx.Client) -> None:
    assert post(client, params={"store_to": "pacs"}).json()["params"]["store_to"] == "pacs"
    problem = check_problem(post(stranger, params={"store_to": "pacs"}), 422, "invalid_parameters")
    assert problem["expected"] == "none: the operator has set up no server for you"
    problem = check_problem(post(client, params={"store_to": "other"}), 422, "invalid_parameters")
    assert (problem["expected"], problem["got"]) == ("one of pacs", "other")
    check_problem(post(client, params={"store_to": "https://evil.example"}), 422, "invalid_parameters")


def test_a_deadline_is_bounded_by_the_servers(client: httpx.Client, settings: Settings) -> None:
    assert post(client, params={"deadline_s": 540}).json()["params"]["deadline_s"] == 540
    problem = check_problem(post(client, params={"deadline_s": 541}), 422, "invalid_parameters")
    assert (problem["expected"], problem["got"]) == ("at most 540 s", "541 s")
    check_problem(post(client, params={"deadline_s": 0}), 422, "invalid_parameters")


def test_a_job_of_a_newer_gateway_is_shown(client: httpx.Client, settings: Settings) -> None:
    store = open_store(settings)
    row = new_row("e" * 32, "tenant-a")
    row.params, row.contract = {"vertebra": "C2", "not_yet_invented": 1}, CONTRACT + 1
    store.create(row)
    store.engine.dispose()
    job = client.get(f"/v1/jobs/{row.id}").json()
    assert (job["state"], job["params"]["vertebra"], job["params"]["fidelity"]) == ("queued", "C2", "surrogate")
    assert row.id in [listed["id"] for listed in client.get("/v1/jobs").json()["jobs"]]


def test_a_name_tells_jobs_apart(client: httpx.Client) -> None:
    job = post(client, name="  Fall 17, Größe ").json()
    assert job["name"] == "Fall 17, Größe"
    assert client.get(job["links"]["self"]).json()["name"] == "Fall 17, Größe"
    assert post(client, name=" ").json()["name"] is None
    assert post(client).json()["name"] is None
    for name in ("x" * 101, "a\nb", "a\x00b"):
        body = check_problem(post(client, name=name), 422, "invalid_parameters")
        assert body["expected"] == "at most 100 printable characters"


def test_the_jobs_of_a_page_are_made_beside_the_event_loop(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = post(client).json()
    seen: list[bool] = []

    def made(*arguments: Any) -> Job:
        seen.append(is_in_event_loop())
        return job_from_row(*arguments)

    monkeypatch.setattr(jobs, "job_from_row", made)
    listed = client.get("/v1/jobs").json()["jobs"]
    assert job["id"] in [each["id"] for each in listed]
    assert seen == [False] * len(listed)


def is_in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

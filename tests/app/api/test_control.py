"""Cancelling jobs, and running their files again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.jobs.settings import Settings
from app.jobs.store import open_store
from tests.app.harness import check_problem, fail, finish, post, stored_jobs


def test_a_cancelled_job_stays_visible(client: httpx.Client, stranger: httpx.Client, settings: Settings) -> None:
    job = post(client).json()
    path = job["links"]["self"]
    store = open_store(settings)
    claim = store.claim(job["id"], "w")
    assert claim is not None
    check_problem(stranger.post(f"{path}/cancel"), 404, "job_not_found")
    response = client.post(f"{path}/cancel")
    assert response.status_code == 200
    cancelled = response.json()
    assert (cancelled["state"], cancelled["error"], cancelled["links"]["results"]) == ("cancelled", None, None)
    assert cancelled["finished_at"]
    assert not store.is_current(job["id"], claim.token)
    assert not store.succeed(job["id"], claim.token, results=[], timings={}, bundle_version="x")
    assert store.claim(job["id"], "w") is None
    store.engine.dispose()
    assert client.post(f"{path}/cancel").json() == client.get(path).json() == cancelled
    assert job["id"] in [other["id"] for other in client.get("/v1/jobs?state=cancelled").json()["jobs"]]
    check_problem(client.get(f"{path}/results"), 409, "job_not_finished")
    assert client.delete(path).status_code == 204
    check_problem(client.get(path), 404, "job_not_found")
    check_problem(client.post(f"{path}/cancel"), 404, "job_not_found")


def test_a_job_that_has_ended_cannot_be_cancelled(client: httpx.Client, settings: Settings) -> None:
    done, failed = (post(client).json() for _ in range(2))
    finish(settings, done["id"], {"report.json": (b"{}", "application/json")})
    fail(settings, failed["id"], {"type": "/problems/bad_mask", "title": "t", "status": 422, "detail": "d"})
    for job, state in ((done, "succeeded"), (failed, "failed")):
        path = job["links"]["self"]
        assert check_problem(client.post(f"{path}/cancel"), 409, "job_ended")["got"] == state
        assert client.get(path).json()["state"] == state


def input_of(settings: Settings, job: dict, part: str = "ct") -> bytes:
    return (Path(settings.storage) / "jobs" / job["id"] / "input" / part).read_bytes()


def failed_job(client: httpx.Client, settings: Settings, **more: Any) -> dict:
    job = post(client, b"the ct", **more).json()
    fail(settings, job["id"], {"type": "/problems/vertebra_not_found", "title": "t", "status": 422, "detail": "d"})
    return job


def test_a_refused_job_runs_again_with_a_seed(client: httpx.Client, settings: Settings) -> None:
    refused = failed_job(client, settings, mask=None, params={"vertebra": "L2", "load_newton": 700})
    response = client.post(f"/v1/jobs/{refused['id']}/retry", json={"seed_ras_mm": [1.0, 2.0, 3.0]})
    assert response.status_code == 202
    again = response.json()
    assert response.headers["location"] == again["links"]["self"] != refused["links"]["self"]
    assert (again["state"], again["attempt"], again["retry_of"]) == ("queued", 0, refused["id"])
    assert again["params"] == refused["params"] | {"seed_ras_mm": [1.0, 2.0, 3.0]}
    assert again["input"] == refused["input"]
    assert client.get(refused["links"]["self"]).json()["state"] == "failed"
    store = open_store(settings)
    assert store.claim(again["id"], "w")  # it waits, and a worker may take it
    store.engine.dispose()


@pytest.mark.parametrize("first", ["earlier", "later"])
def test_the_files_survive_whichever_job_is_deleted_first(client: httpx.Client, settings: Settings, first: str) -> None:
    earlier = failed_job(client, settings)
    later = client.post(f"/v1/jobs/{earlier['id']}/retry", json={"load_newton": 250}).json()
    gone, kept = (earlier, later) if first == "earlier" else (later, earlier)
    assert client.delete(gone["links"]["self"]).status_code == 204
    assert gone["id"] not in stored_jobs(settings)
    assert (input_of(settings, kept), input_of(settings, kept, "mask")) == (b"the ct", b"mask")
    assert client.delete(kept["links"]["self"]).status_code == 204
    assert kept["id"] not in stored_jobs(settings)


def test_every_ended_job_can_run_again(client: httpx.Client, settings: Settings) -> None:
    done, cancelled = (post(client).json() for _ in range(2))
    path = f"/v1/jobs/{done['id']}/retry"
    assert check_problem(client.post(path), 409, "job_not_finished")["got"] == "queued"
    finish(settings, done["id"], {"report.json": (b"{}", "application/json")})
    client.post(f"/v1/jobs/{cancelled['id']}/cancel")
    for job in (done, cancelled):
        again = client.post(f"/v1/jobs/{job['id']}/retry").json()
        assert (again["params"], again["retry_of"]) == (job["params"], job["id"])
    chain = client.post(f"/v1/jobs/{again['id']}/cancel").json()
    assert client.post(f"/v1/jobs/{chain['id']}/retry").json()["retry_of"] == chain["id"]


def test_an_idempotency_key_makes_one_retry(client: httpx.Client, settings: Settings) -> None:
    earlier = failed_job(client, settings)
    path, headers = f"/v1/jobs/{earlier['id']}/retry", {"Idempotency-Key": "again"}
    first = client.post(path, json={"load_newton": 250}, headers=headers).json()
    count = len(stored_jobs(settings))
    assert client.post(path, json={"load_newton": 250}, headers=headers).json()["id"] == first["id"]
    check_problem(client.post(path, json={"load_newton": 300}, headers=headers), 409, "idempotency_conflict")
    assert len(stored_jobs(settings)) == count


@pytest.mark.parametrize(
    "body",
    [b"[]", b"nonsense", b'{"unknown": 1}', b'{"load_newton": -1}', b'{"seed_ras_mm": [1, 2, 3]}', b" " * 70_000,
     b'{"load_newton": NaN}', b'{"vertebra": "L7"}', b'{"deadline_s": 541}', b"[" * 10_000],
)  # fmt: skip
def test_changes_that_are_not_acceptable(client: httpx.Client, settings: Settings, body: bytes) -> None:
    earlier = failed_job(client, settings)  # it has a mask, so it takes no seed
    count = len(stored_jobs(settings))
    check_problem(client.post(f"/v1/jobs/{earlier['id']}/retry", content=body), 422, "invalid_parameters")
    assert len(stored_jobs(settings)) == count


def test_who_may_not_and_what_is_gone(client: httpx.Client, stranger: httpx.Client, settings: Settings) -> None:
    earlier = failed_job(client, settings)
    check_problem(stranger.post(f"/v1/jobs/{earlier['id']}/retry"), 404, "job_not_found")
    shutil.rmtree(Path(settings.storage) / "jobs" / earlier["id"])  # as a deletion at the same moment
    count = len(stored_jobs(settings))
    check_problem(client.post(f"/v1/jobs/{earlier['id']}/retry"), 404, "job_not_found")
    assert len(stored_jobs(settings)) == count


RIGHT = {"mask": ("mask.nii.gz", b"the right outline")}


def test_a_mask_corrects_the_outline_of_a_job(client: httpx.Client, settings: Settings) -> None:
    earlier = failed_job(client, settings, mask=None, params={"seed_ras_mm": [1, 2, 3], "load_newton": 700})
    path = f"/v1/jobs/{earlier['id']}/retry"
    response = client.post(path, files=RIGHT, data={"params": '{"vertebra": "L2", "mask_label": 31}'})
    assert response.status_code == 202, response.text
    right = response.json()
    assert (right["retry_of"], right["corrects"], right["state"]) == (earlier["id"], earlier["id"], "queued")
    changed = {"seed_ras_mm": None, "vertebra": "L2", "mask_label": 31}
    assert right["params"] == earlier["params"] | changed
    assert right["input"]["ct"] == earlier["input"]["ct"]
    assert (input_of(settings, right), input_of(settings, right, "mask")) == (b"the ct", b"the right outline")
    assert [job["id"] for job in client.get("/v1/jobs", params={"retry_of": earlier["id"]}).json()["jobs"]] == [
        right["id"]
    ]
    client.post(f"/v1/jobs/{right['id']}/cancel")
    again = client.post(f"/v1/jobs/{right['id']}/retry", json={"load_newton": 800}).json()
    assert (again["retry_of"], again["corrects"]) == (right["id"], None)  # it sends no mask of its own
    assert again["input"] == right["input"]


def test_a_second_mask_takes_the_place_of_the_first(client: httpx.Client, settings: Settings) -> None:
    earlier = failed_job(client, settings, params={"mask_label": 20, "mask_convention": "verse"})
    right = client.post(f"/v1/jobs/{earlier['id']}/retry", files=RIGHT).json()
    assert right["params"] == earlier["params"] | {"mask_label": None, "mask_convention": "auto"}
    assert input_of(settings, right, "mask") == b"the right outline"
    no_choice = client.post(f"/v1/jobs/{earlier['id']}/retry", files={"mask": ("", b"")}).json()
    assert (no_choice["corrects"], no_choice["input"]) == (None, earlier["input"])


@pytest.mark.parametrize(
    ("files", "data", "status", "slug"),
    [
        (RIGHT, {"params": '{"load_newton": -1}'}, 422, "invalid_parameters"),
        (RIGHT, {"params": "[]"}, 422, "invalid_parameters"),
        (RIGHT, {"params": '{"seed_ras_mm": [1, 2, 3]}'}, 422, "invalid_parameters"),
        (RIGHT | {"ct": ("ct", b"another ct")}, {}, 400, "malformed_request"),
        ({"mask": ("mask", b"")}, {}, 400, "empty_upload"),
        ({"mask": ("mask", bytes(5 << 20))}, {}, 413, "upload_too_large"),
    ],
)
def test_corrections_that_are_not_acceptable(
    client: httpx.Client, settings: Settings, files: Any, data: Any, status: int, slug: str
) -> None:
    earlier = failed_job(client, settings)
    count = len(stored_jobs(settings))
    check_problem(client.post(f"/v1/jobs/{earlier['id']}/retry", files=files, data=data), status, slug)
    assert len(stored_jobs(settings)) == count


def test_an_idempotency_key_makes_one_correction(client: httpx.Client, settings: Settings) -> None:
    earlier = failed_job(client, settings)
    path, headers = f"/v1/jobs/{earlier['id']}/retry", {"Idempotency-Key": "right"}
    first, second = (client.post(path, files=RIGHT, headers=headers).json() for _ in range(2))
    assert first["id"] == second["id"]
    other = {"mask": ("mask.nii.gz", b"another outline")}
    check_problem(client.post(path, files=other, headers=headers), 409, "idempotency_conflict")

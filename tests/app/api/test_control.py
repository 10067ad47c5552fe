"""Cancelling jobs."""

from __future__ import annotations

import httpx

from app.jobs.settings import Settings
from app.jobs.store import open_store
from tests.app.harness import check_problem, fail, finish, post


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

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import closing
from itertools import dropwhile
from pathlib import Path

import httpx
import psutil
import pytest

from app.broker import free_port
from app.jobs.queue import JobQueue
from app.jobs.settings import Settings
from tests.app.harness import FAST, PATIENCE_S, Broker, post, running_broker, running_gateway, running_worker, wait_for
from tests.workers.dicom.dicom_files import STUDY, file_bytes, series
from tests.workers.dicom_results.orthanc import dicomweb_url, running_orthanc
from tests.workers.dicom_results.small_source import HU, TILTED
from workers.dicom_store import NOTHING_TO_STORE
from workers.memory_limit import memory_here, share_of


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(scope="module")
def settings(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("data")
    return Settings(
        data_dir=folder,
        broker_url=broker.url,
        allow_anonymous=True,
        **FAST,
        log_format="json",
        corrections_dir=folder / "corrections",
        dicomweb_servers={
            "pacs": "http://127.0.0.1:9/dicom-web",
            "archive": dicomweb_url(free_port("127.0.0.1")),
        },
        dicomweb_sources=["archive"],
    )


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[httpx.Client]:
    with running_gateway(settings) as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="module")
def worker(settings: Settings, client: httpx.Client) -> Iterator[int]:
    log = settings.data_dir / "worker.log"
    with running_worker(settings, log) as process:
        wait_for(lambda: client.get("/health/ready").status_code == 200, "worker")
        yield process.pid


def submit(client: httpx.Client, ct: str) -> str:
    response = post(client, ct.encode())
    assert response.status_code == 202, response.text
    return str(response.headers["location"])


def ended(client: httpx.Client, path: str) -> dict:
    def look() -> dict | None:
        job = client.get(path).json()
        return job if job["state"] in ("succeeded", "failed") else None

    return wait_for(look, f"end of {path}")


def running(client: httpx.Client, path: str) -> dict:
    def look() -> dict | None:
        job = client.get(path).json()
        return job if job["state"] == "running" and job["stage"] == "solve" else None

    return wait_for(look, f"start of {path}")


def result_folders(settings: Settings, path: str) -> list[str]:
    folder = Path(settings.storage) / "jobs" / path.rsplit("/", 1)[1]
    return sorted(child.name for child in folder.glob("results-*")) if folder.exists() else []


@pytest.mark.usefixtures("worker")
def test_a_job_that_has_nothing_for_the_archive_says_so(client: httpx.Client) -> None:
    path = post(client, b"ok", params={"store_to": "pacs"}).headers["location"]
    job = ended(client, path)
    assert job["state"] == "succeeded", job
    assert job["warnings"][1:] == [NOTHING_TO_STORE.format(name="pacs")]


@pytest.fixture
def archived(settings: Settings, tmp_path: Path) -> Iterator[list[bytes]]:
    """Yield the files of a study in the archive of the settings."""
    port = int(settings.dicomweb_servers["archive"].get_secret_value().rpartition(":")[2].partition("/")[0])
    with running_orthanc(tmp_path, port) as url:
        files = [file_bytes(image) for image in series(HU, TILTED)]
        for data in files:
            httpx.post(f"{url}/instances", content=data).raise_for_status()
        yield files


def submit_archived(client: httpx.Client, **more: str) -> dict:
    parts = {"ct_url": f"archive/studies/{STUDY}"} | more
    files = [("mask", ("m", b"mask")), *((part, (None, text)) for part, text in parts.items())]
    return client.post("/v1/jobs", files=files, headers={"Idempotency-Key": "archived"}).raise_for_status().json()


@pytest.mark.usefixtures("worker")
def test_a_ct_in_an_archive_is_fetched_once_and_then_lies_like_one_that_was_sent(client, settings, archived) -> None:
    job = submit_archived(client)
    reference = job["input"]["ct"]
    job = ended(client, job["links"]["self"])
    assert (job["state"], job["input"]["archive"]) == ("succeeded", "archive"), job
    kept = Path(settings.storage) / "jobs" / job["id"] / "fetched-1"
    with zipfile.ZipFile(kept / "ct") as files:
        assert sorted(files.read(name) for name in files.namelist()) == sorted(archived)
    ct = (kept / "ct").read_bytes()
    assert job["input"]["ct"] == {"size": len(ct), "sha256": hashlib.sha256(ct).hexdigest()} != reference
    assert submit_archived(client)["id"] == job["id"]  # the same request again, after the CT has come
    again = client.post(f"{job['links']['self']}/retry").json()
    assert again["input"] == job["input"]
    assert ended(client, again["links"]["self"])["state"] == "succeeded"
    other = client.post(f"{job['links']['self']}/retry", json={"series_uid": "0" * 16}).json()
    assert ended(client, other["links"]["self"])["state"] == "succeeded"  # of all that were fetched: not fetched again
    # through SQLite: a process that closes a file of it loses the locks of all its connections, the gateway's too
    with closing(sqlite3.connect(settings.data_dir / "jobs.sqlite3")) as database:
        tables = "".join(database.iterdump()).encode()
    for text in (tables, (settings.data_dir / "worker.log").read_bytes(), json.dumps(job).encode()):
        assert STUDY.encode() not in text


@pytest.mark.usefixtures("worker")
def test_another_series_is_fetched_again_and_what_is_not_there_fails_the_job(client: httpx.Client, archived) -> None:
    files = [("mask", ("m", b"mask")), ("ct_url", (None, f"archive/studies/{STUDY}"))]
    asked = {"series_uid": "0" * 16}
    job = client.post("/v1/jobs", files=[*files, ("params", (None, json.dumps(asked)))]).json()
    job = ended(client, job["links"]["self"])
    assert (job["error"]["type"], job["error"]["series"][0]["slices"]) == ("/problems/series_absent", len(archived))
    found = {"series_uid": job["error"]["series"][0]["id"]}
    again = ended(client, client.post(f"{job['links']['self']}/retry", json=found).json()["links"]["self"])
    assert again["state"] == "succeeded"
    third = client.post(f"{again['links']['self']}/retry", json=asked).json()
    assert third["input"]["ct"] != again["input"]["ct"]
    assert ended(client, third["links"]["self"])["error"]["type"] == "/problems/series_absent"


@pytest.mark.usefixtures("worker")
def test_a_job_runs_and_publishes(client: httpx.Client, settings: Settings) -> None:
    path = submit(client, "ok")
    job = ended(client, path)
    assert job["state"] == "succeeded", job
    assert (job["percent"], job["stage"], job["attempt"], job["bundle_version"]) == (100, None, 1, "test-1")
    assert job["vertebra"] == "L3"
    assert job["timings"]["solve"] == 0.25
    assert job["warnings"] == ["The level is not verified."]
    results = client.get(job["links"]["results"]).json()["results"]
    assert [result["name"] for result in results] == ["report.json", "viewer.html"]
    assert json.loads(client.get(results[0]["url"]).content)["load_newton"] == 500
    assert result_folders(settings, path) == ["results-1"]


@pytest.mark.usefixtures("worker")
def test_a_mask_that_corrects_an_outline_is_kept_to_train_with(client: httpx.Client, settings: Settings) -> None:
    first = ended(client, submit(client, "ok"))
    folder = settings.data_dir / "corrections"
    assert not folder.exists()  # a mask that corrects nothing is not kept
    path = f"{first['links']['self']}/retry"
    form = {"files": {"mask": ("mask.nii.gz", b"right outline")}, "data": {"params": '{"vertebra": "L2"}'}}
    corrected = ended(client, client.post(path, **form).headers["location"])
    assert (corrected["state"], corrected["corrects"]) == ("succeeded", first["id"])
    manifest = folder / "cases.csv"
    wait_for(manifest.exists, "the case")
    person = corrected["input"]["ct"]["sha256"][:16]
    name = corrected["id"]
    line = f"{name}/ct.nii,{name}/mask.nii,,L2,{person},"
    wait_for(lambda: manifest.read_text() == f"ct,mask,convention,level,person,label\n{line}\n", "the line of the case")
    assert (folder / name / "ct.nii").read_bytes() == b"ok"
    assert (folder / name / "mask.nii").read_bytes() == b"right outline"
    path = ended(client, submit(client, "dicom"))["links"]["self"]
    other = ended(client, client.post(f"{path}/retry", **form).headers["location"])
    kept = folder / other["id"] / "ct.nii"
    wait_for(lambda: other["input"]["ct"]["sha256"][:16] in manifest.read_text(), "the line of the CT sent as DICOM")
    assert kept.read_bytes() == b"a volume without a name"


@pytest.mark.usefixtures("worker")
def test_bad_input_ends_the_job_with_its_problem(client: httpx.Client) -> None:
    job = ended(client, submit(client, "bad"))
    assert job["state"] == "failed"
    assert job["attempt"] == 1
    assert job["error"]["type"] == "/problems/bad_spacing"
    assert (job["error"]["expected"], job["error"]["got"]) == ("0.1 to 6 mm", "1000 mm")


@pytest.mark.usefixtures("worker")
def test_a_refusal_publishes_its_pictures(client: httpx.Client, settings: Settings) -> None:
    path = submit(client, "refuse")
    job = ended(client, path)
    assert (job["state"], job["attempt"], job["error"]["type"]) == ("failed", 1, "/problems/vertebra_not_found")
    assert job["error"]["alternatives"][0]["probability"] == 0.97
    names = ["spine.png", "candidate-1.png", "candidate-2.png", "candidate-10.png"]
    assert job["error"]["pictures"] == names
    results = client.get(job["links"]["results"]).json()["results"]
    assert [result["name"] for result in results] == names
    assert {result["media_type"] for result in results} == {"image/png"}
    for result in results:
        data = client.get(result["url"]).content
        assert data.startswith(b"\x89PNG")
        assert hashlib.sha256(data).hexdigest() == result["sha256"]
    assert client.get(f"{path}/results/mask.nii.gz").status_code == 404
    assert result_folders(settings, path) == ["results-1"]
    assert client.delete(path).status_code == 204
    assert result_folders(settings, path) == []


@pytest.mark.usefixtures("worker")
def test_several_levels_are_published_at_once(client: httpx.Client, settings: Settings) -> None:
    path = post(client, b"levels", params={"vertebra": ["T12", "L1", "L2"]}).headers["location"]
    seen = wait_for(lambda: (job := client.get(path).json())["level"] and job, "a level")
    assert (seen["stage"], seen["state"]) == ("morph", "running")
    assert client.get(f"{path}/results").status_code == 409
    job = ended(client, path)
    assert (job["state"], job["level"], job["stage"]) == ("succeeded", None, None)
    results = client.get(job["links"]["results"]).json()["results"]
    names = ["summary.json", "T12/candidate-1.png", "L1/report.json", "L2/report.json"]
    assert [result["name"] for result in results] == names
    assert client.get(results[-1]["url"]).json() == {"vertebra": "L2"}
    assert client.delete(path).status_code == 204
    assert result_folders(settings, path) == []


@pytest.mark.usefixtures("worker")
def test_a_job_whose_levels_are_all_refused_lists_them(client: httpx.Client) -> None:
    job = ended(client, post(client, b"levels", params={"vertebra": ["L4"]}).headers["location"])
    assert (job["state"], job["error"]["type"]) == ("failed", "/problems/every_level_refused")
    assert job["error"]["levels"][0]["vertebra"] == "L4"
    assert job["error"]["pictures"] == ["L4/candidate-1.png"]
    (result,) = client.get(job["links"]["results"]).json()["results"]
    assert client.get(result["url"]).content.startswith(b"\x89PNG")


@pytest.mark.usefixtures("worker")
def test_a_refusal_of_a_deleted_job_leaves_nothing(client: httpx.Client, settings: Settings) -> None:
    path = submit(client, "refuse 2")
    running(client, path)
    assert client.delete(path).status_code == 204
    assert ended(client, submit(client, "ok"))["state"] == "succeeded"  # the refusal has ended
    assert "is interrupted: FencedOut" in (settings.data_dir / "worker.log").read_text()
    assert result_folders(settings, path) == []


@pytest.mark.usefixtures("worker")
def test_pictures_that_cannot_be_stored_give_the_job_another_attempt(client: httpx.Client, settings: Settings) -> None:
    path = submit(client, "refuse 1")
    running(client, path)
    (Path(settings.storage) / "jobs" / path.rsplit("/", 1)[1] / "results-1").write_bytes(b"in the way")
    wait_for(lambda: client.get(path).json()["state"] == "queued", "release")
    assert client.get(f"{path}/results").status_code == 409
    job = ended(client, path)
    assert (job["state"], job["attempt"], job["error"]["type"]) == ("failed", 1, "/problems/vertebra_not_found")
    assert len(client.get(f"{path}/results").json()["results"]) == 4


@pytest.mark.usefixtures("worker")
def test_the_lines_of_a_job_name_the_request_that_submitted_it(client: httpx.Client, settings: Settings) -> None:
    response = post(client, b"ok", headers={"X-Request-Id": "ward-7:42"})
    job = ended(client, response.headers["location"])
    assert job["request_id"] == response.headers["x-request-id"] == "ward-7:42"

    def own_lines() -> list[dict]:
        written = (settings.data_dir / "worker.log").read_text().splitlines()
        formatted = dropwhile(lambda line: not line.startswith("{"), written)  # Celery warns root before it has a log
        return [line for line in map(json.loads, formatted) if line.get("job_id") == job["id"]]

    wait_for(lambda: any("attempt 1 ended" in line["message"] for line in own_lines()), "last line")
    assert any("attempt 1 starts" in line["message"] for line in own_lines())
    assert {line["request_id"] for line in own_lines()} == {"ward-7:42"}


@pytest.mark.usefixtures("worker")
def test_a_full_disk_passes(client: httpx.Client, settings: Settings, tmp_path: Path) -> None:
    path = submit(client, f"full {tmp_path / 'marker'}")
    waiting = wait_for(lambda: (job := client.get(path).json())["error"] and job, "the fault")
    assert (waiting["state"], waiting["attempt"]) == ("queued", 0)
    assert waiting["error"]["type"] == "/problems/storage_unavailable"
    assert "No space left on device" in waiting["error"]["detail"]
    job = ended(client, path)
    assert (job["state"], job["attempt"], job["error"]) == ("succeeded", 1, None)
    assert "No space left on device" in (settings.data_dir / "worker.log").read_text()


@pytest.mark.usefixtures("worker")
def test_a_bug_is_an_internal_error_that_leaks_nothing(client: httpx.Client, settings: Settings) -> None:
    job = ended(client, submit(client, "bug"))
    assert job["error"]["type"] == "/problems/internal_error"
    assert "PATIENT" not in json.dumps(job)
    assert "RuntimeError" in (settings.data_dir / "worker.log").read_text()


@pytest.mark.usefixtures("worker")
def test_a_job_that_wants_too_much_memory_ends_and_the_worker_lives(client: httpx.Client, settings: Settings) -> None:
    job = ended(client, submit(client, f"greedy {settings.worker_memory_bytes}"))
    assert (job["state"], job["attempt"], job["error"]["type"]) == ("failed", 1, "/problems/out_of_memory")
    allowed = min(settings.worker_memory_bytes, share_of(memory_here(), 1))
    assert job["error"]["expected"] == f"at most {allowed / 1e9:.1f} GB in the worker's process"
    follower = ended(client, submit(client, "ok"))
    assert follower["state"] == "succeeded"


@pytest.mark.usefixtures("worker")
def test_duplicate_delivery_runs_once(client: httpx.Client, settings: Settings) -> None:
    path = submit(client, "sleep 1")
    queue = JobQueue(settings)
    for _ in range(4):
        queue.send(path.rsplit("/", 1)[1])
    queue.close()
    assert ended(client, path)["attempt"] == 1
    follower = ended(client, submit(client, "ok"))  # the duplicates were delivered before it
    assert follower["state"] == "succeeded"
    assert client.get(path).json()["attempt"] == 1
    assert result_folders(settings, path) == ["results-1"]


@pytest.mark.usefixtures("worker")
def test_an_unknown_id_is_ignored(client: httpx.Client, settings: Settings) -> None:
    queue = JobQueue(settings)
    queue.send(uuid.uuid4().hex)
    queue.close()
    assert ended(client, submit(client, "ok"))["state"] == "succeeded"


@pytest.mark.usefixtures("worker")
def test_a_killed_pool_process_is_survived(client: httpx.Client, settings: Settings, tmp_path: Path) -> None:
    path = submit(client, f"die-once {tmp_path / 'marker'}")
    job = ended(client, path)
    assert (job["state"], job["attempt"]) == ("succeeded", 2)
    assert len(result_folders(settings, path)) == 1
    scratch = settings.data_dir / "scratch"
    wait_for(lambda: not list(scratch.glob("vertebra-job-*")), "patient data removed from scratch")


@pytest.mark.usefixtures("worker")
def test_a_job_that_always_kills_its_process_ends(client: httpx.Client) -> None:
    job = ended(client, submit(client, "die"))
    assert job["error"]["type"] == "/problems/attempts_exhausted"
    assert job["attempt"] == 3


@pytest.mark.usefixtures("worker")
def test_a_deleted_job_stops_and_publishes_nothing(client: httpx.Client, settings: Settings) -> None:
    path = submit(client, "sleep 600")
    running(client, path)
    assert client.delete(path).status_code == 204
    assert ended(client, submit(client, "ok"))["state"] == "succeeded"  # the worker is free again
    assert result_folders(settings, path) == []


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("ct", ["stuck 600", "native", "threads 600"])
def test_a_cancelled_job_stops_although_it_reports_no_progress(
    client: httpx.Client, settings: Settings, ct: str
) -> None:
    path = submit(client, ct)
    running(client, path)
    assert client.post(f"{path}/cancel").json()["state"] == "cancelled"
    assert ended(client, submit(client, "ok"))["state"] == "succeeded"  # the worker is free again
    assert client.get(path).json()["state"] == "cancelled"
    wait_for(lambda: not list((settings.data_dir / "scratch").glob("vertebra-job-*")), "scratch removed")


@pytest.mark.usefixtures("worker")
def test_a_running_job_survives_the_broker(client: httpx.Client, broker: Broker) -> None:
    path = submit(client, "sleep 3")
    running(client, path)
    broker.stop()
    broker.start()
    job = ended(client, path)
    assert (job["state"], job["attempt"]) == ("succeeded", 1)
    assert ended(client, submit(client, "ok"))["state"] == "succeeded"


@pytest.mark.usefixtures("worker")
def test_a_worker_hears_again_after_a_job_ended_while_the_broker_was_away(client: httpx.Client, broker: Broker) -> None:
    path = submit(client, "sleep 3")
    running(client, path)
    broker.stop()
    assert ended(client, path)["state"] == "succeeded"
    broker.start()
    next_path = submit(client, "ok")
    wait_for(lambda: client.get(next_path).json()["state"] == "succeeded", "the next job", 45.0)


@pytest.mark.usefixtures("worker")
def test_a_job_ends_at_its_own_deadline(client: httpx.Client) -> None:
    path = post(client, b"stuck 600", params={"deadline_s": 1}).headers["location"]
    job = ended(client, path)
    assert (job["state"], job["attempt"]) == ("failed", 1)
    assert (job["error"]["type"], job["error"]["expected"]) == ("/problems/deadline_exceeded", "at most 1 s")


def test_a_worker_killed_mid_job_is_replaced(
    client: httpx.Client, settings: Settings, worker: int, tmp_path: Path
) -> None:
    """Kill -9 of the whole worker: another one takes the job over; one result set is published."""
    wait_for(lambda: psutil.pid_exists(worker), "worker")
    path = submit(client, "sleep 4")
    first = running(client, path)
    assert first["attempt"] == 1
    members = [worker, *(child.pid for child in psutil.Process(worker).children(recursive=True))]
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: all(gone(pid) for pid in members[1:]), "pool processes die with their parent")
    with running_worker(settings, tmp_path / "second.log"):
        job = ended(client, path)
    assert (job["state"], job["attempt"]) == ("succeeded", 2)
    assert len(result_folders(settings, path)) == 1
    assert len(client.get(f"{path}/results").json()["results"]) == 2


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(("ct", "restarts"), [("stuck 600", 4), ("native", 1)])  # a job has three attempts
def test_a_worker_that_is_told_to_stop_gives_its_job_back(
    client: httpx.Client, settings: Settings, tmp_path: Path, ct: str, restarts: int
) -> None:
    path = submit(client, ct)
    for i in range(restarts):
        with running_worker(settings, tmp_path / f"{i}.log") as process:
            running(client, path)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        job = client.get(path).json()
        assert (job["state"], job["attempt"]) == ("queued", 0)
    assert client.delete(path).status_code == 204


def test_time_limit(client: httpx.Client, settings: Settings, tmp_path: Path) -> None:
    quick = settings.model_copy(update={"job_deadline_s": 1})
    quick.model_fields_set.add("job_deadline_s")
    with running_worker(quick, tmp_path / "quick.log"):
        job = ended(client, submit(client, "stuck 20"))
    assert job["error"]["type"] == "/problems/deadline_exceeded"
    assert job["attempt"] == 1


def test_the_broker_may_be_away(client: httpx.Client, broker: Broker, settings: Settings, tmp_path: Path) -> None:
    broker.stop()
    try:
        response = post(client, b"ok")
        assert response.status_code == 503
        assert response.headers["retry-after"]
        body = response.json()
        assert body["type"] == "/problems/broker_unavailable"
        path = response.headers["location"]
        assert path.endswith(body["job_id"])
        assert client.get(path).json()["state"] == "queued"
        assert client.get("/health/ready").json()["components"]["broker"]["ok"] is False
    finally:
        broker.start()
    with running_worker(settings, tmp_path / "after.log"):
        assert ended(client, path)["state"] == "succeeded"
